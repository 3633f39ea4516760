// Rows of the list that are answered together.

import { get } from "./api.js";
import { byId, el, show } from "./dom.js";
import { pendingAnswer, send } from "./outbox.js";
import { open, passOn } from "./queue.js";
import { refused, stopped } from "./trouble.js";
import { counted } from "./words.js";

// More answers than these are given only after a question.
const MANY = 20;
// A request takes as many answers.
const MOST = 1000;

// The selected rows with what the list last said of them.
let selected = new Map();
let changed = () => {};

export function startSelection(listener) {
    changed = listener;
    byId("confirm-no").addEventListener("click", () => byId("confirm-dialog").close());
}

export const isSelected = (row) => selected.has(row);
export const anySelected = () => selected.size > 0;

export function toggle(row) {
    if (!selected.delete(row.row)) add([row]);
    draw();
}

export function select(rows) {
    add(rows);
    draw();
}

function add(rows) {
    for (const row of rows) if (selected.size < MOST) selected.set(row.row, row);
}

export function clear() {
    selected.clear();
    draw();
}

/** The list knows more recent answers of rows in view. */
export function update(row) {
    if (selected.has(row.row)) selected.set(row.row, row);
}

const answerable = () => [...selected.values()].filter((row) => !row.held_out);

function draw() {
    const bar = byId("selection");
    bar.hidden = selected.size === 0;
    document.body.classList.toggle("selecting", selected.size > 0);
    const held = selected.size - answerable().length;
    const button = (name, key, act) => el("button", { type: "button", onclick: act }, name, key && [" ", el("kbd", {}, key)]);
    // The buttons stay the same elements, so that the focus stays on them.
    if (bar.childElementCount === 0) {
        bar.append(
            el("span", { id: "selected" }),
            button("Yes", "y", () => answerSelected("anomaly")),
            button("No", "n", () => answerSelected("normal")),
            button("Unsure", "u", () => answerSelected("unsure")),
            el("button", { type: "button", id: "open-selected", onclick: () => open([...selected.keys()][0]) }, "Open"),
            button("Clear", "Esc", () => {
                clear();
                byId("list").querySelector(".row[tabindex='0']")?.focus();
            }),
        );
    }
    show(byId("selected"), `${counted(selected.size, "row")} selected${held ? `, ${held} held out` : ""}:`);
    byId("open-selected").hidden = selected.size !== 1;
    changed();
}

/** Answers all selected rows, after a question if they are many. */
export function answerSelected(answer) {
    const rows = answerable();
    if (rows.length === 0 || stopped()) return;
    if (rows.length <= MANY) return give(rows, answer);
    const dialog = byId("confirm-dialog");
    byId("confirm-title").textContent = `Answer ${counted(rows.length, "row")} with “${answer}”?`;
    byId("confirm-yes").onclick = () => {
        dialog.close();
        give(rows, answer);
    };
    dialog.showModal();
    byId("confirm-no").focus();
}

function give(rows, answer) {
    const answers = rows.map(({ row, answer: now }) => ({
        row,
        answer,
        note: null,
        expected: pendingAnswer(row)?.answer ?? now,
    }));
    send({
        path: "api/answers",
        answers,
        body: () => ({ answers }),
        what: rows.length === 1 ? `row ${rows[0].row}: ${answer}` : `${counted(rows.length, "row")}: ${answer}`,
        conflict: () => conflict(rows, answer),
    });
    clear();
    passOn();
}

/** Another page has answered some of the rows: the selection comes back with what was said there. */
async function conflict(rows, answer) {
    const details = await Promise.all(rows.map(({ row }) => get(`api/rows/${row}`).catch(() => null)));
    const now = rows.map((row, at) => ({ ...row, answer: details[at]?.answer?.answer ?? null }));
    // Our own answers, sent twice because the first reply was lost, or the same ones from another page.
    if (now.every((row) => row.answer === answer)) return;
    const other = now
        .filter((row, at) => row.answer !== rows[at].answer)
        .map((row) => `row ${row.row}: ${row.answer ?? "no answer"}`);
    select(now);
    refused(`Nothing was saved, because another page has answered as well (${other.join(", ")}). Answer again to replace it.`);
}
