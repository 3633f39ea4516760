// Draws the row at hand.

import { byId, cell, el, hidden, show } from "./dom.js";
import { histogram } from "./histogram.js";
import { store } from "./store.js";
import { because, count, placeDetails, short, signed, SIGNS } from "./words.js";

// Longer texts are folded, with a button that shows all.
const LONG = 140;
// Of a wide table, so many columns are shown at first.
const FIRST = 60;

const PARTS = "The parts add up to the difference from a typical row.";

// Whether all columns are shown: a choice that stays for the next rows.
let all = false;

/** Draws the whole row, or what there is instead. `hand` is null if no row is left to ask. */
export function drawQuestion(hand) {
    const question = byId("question");
    question.dataset.row = hand?.row ?? "";
    question.setAttribute("aria-busy", String(Boolean(hand && !hand.detail && !hand.failed)));
    drawSkip(hand);
    const answerable = hand?.detail && !hand.detail.held_out;
    for (const id of ["yes", "no", "unsure"]) byId(id).setAttribute("aria-disabled", String(!answerable));
    byId("skip").setAttribute("aria-disabled", String(!hand));
    if (!hand) return drawNothing();
    show(byId("question-title"), title(hand));
    show(byId("question-facts"), facts(hand));
    if (hand.detail) {
        drawCells(hand);
        drawSurroundings(hand);
    } else {
        show(byId("question-notice"), hand.notice ?? "");
        byId("question-cells").replaceChildren();
        byId("nearest").replaceChildren();
    }
    question.scrollTop = 0;
}

/** A row that was not asked, or has an answer, is left rather than skipped. */
const drawSkip = (hand) =>
    show(byId("skip-name"), hand && (!hand.because || hand.known) ? ["Back", hidden(" to the queue")] : "Skip");

/** On a narrow page, the row may be above what is in sight. */
export function bringIntoSight() {
    const question = byId("question");
    if (question.getBoundingClientRect().top < 0) question.scrollIntoView({ block: "start" });
}

function drawNothing() {
    const done = store.state.progress.stop === "all-answered";
    byId("question-title").textContent = done ? "Every row has an answer" : "No row is waiting for an answer";
    const skipped = store.state.skipped.length;
    byId("question-facts").textContent = skipped
        ? `${count(skipped)} skipped: choose “skipped” in the list to see them, or take the last skip back with z.`
        : "Rows can still be opened from the list.";
    for (const id of ["question-notice", "question-cells", "nearest"]) byId(id).replaceChildren();
}

function title({ row, detail }) {
    const ids = detail?.ids ?? [];
    if (!ids.length) return `Row ${row}`;
    return ids.map(([name, value], at) => [at > 0 && ", ", el("span", { class: "soft" }, name), " ", cell(value ?? "missing")]);
}

function facts({ row, detail, because: reason }) {
    if (!detail) return `Row ${row}. ${because(reason)}`;
    const numbered = detail.ids.length ? `Row ${row}, ` : "";
    return [
        `${numbered}rank `,
        el("strong", {}, count(detail.rank)),
        ` of ${count(store.session.rows)}, score `,
        el("strong", {}, short(detail.score)),
        `. ${because(reason)}`,
    ];
}

/** What was said of the row and of rows like it. */
export function drawSurroundings(hand) {
    const { detail, notice } = hand;
    show(byId("question-notice"), notice ?? standing(detail));
    drawSkip(hand);
    const near = detail.nearest;
    show(
        byId("nearest"),
        el("h3", {}, "Most similar rows with an answer"),
        near.length === 0
            ? el("p", { class: "soft" }, "None yet.")
            : el(
                  "ul",
                  { class: "near" },
                  near.map((other) =>
                      el(
                          "li",
                          {},
                          answerMark(other.answer),
                          " ",
                          el("button", { type: "button", class: "link open-row", "data-open": other.row }, names(other)),
                          other.note && [" ", el("q", {}, cell(other.note))],
                      ),
                  ),
              ),
    );
}

function standing({ answer, label, held_out: held }) {
    if (held) return "This row is held out: its score calibrates the model, so it is not asked and cannot be answered.";
    if (answer) {
        const note = answer.note ? `, “${answer.note}”` : "";
        return `It has the answer “${answer.answer}”${note}. A new answer replaces it.`;
    }
    return label ? `The table says “${label}”. An answer replaces it.` : "";
}

const names = ({ row, ids }) =>
    ids.length ? ids.map(([, value], at) => [at > 0 && ", ", cell(value ?? "missing")]) : `row ${row}`;

export const answerMark = (answer) =>
    el("span", { class: `answer ${answer}` }, el("span", { class: "mark", "aria-hidden": "true" }, SIGNS[answer]), ` ${answer}`);

/** The cells: those that make the score first, then the other features, then what the model does not see. */
export function drawCells(hand) {
    const { detail, reasons } = hand;
    const parts = new Map((reasons?.contributions ?? []).map((part) => [part.column, part.contribution]));
    const largest = Math.max(0, ...[...parts.values()].map(Math.abs));
    const cells = detail.cells.map((shown, at) => ({
        ...shown,
        column: store.session.columns[at],
        part: parts.get(shown.column) ?? null,
    }));
    const order = ({ column, part }) => (column.role !== "feature" ? -2 : part === null ? -1 : Math.abs(part));
    cells.sort((a, b) => order(b) - order(a));
    const focused = byId("all-columns") !== null && byId("all-columns") === document.activeElement;
    const head = reasons ? "Part of the score" : "Part of the score: being computed…";
    byId("question-cells").replaceChildren(
        el(
            "table",
            { class: "cells", role: "table" },
            el(
                "thead",
                { role: "rowgroup" },
                el(
                    "tr",
                    { role: "row" },
                    ["Column", "Value", head, "Among all rows"].map((name) =>
                        el(
                            "th",
                            { scope: "col", role: "columnheader", title: name === head && PARTS },
                            name,
                            name === head && hidden(`. ${PARTS}`),
                        ),
                    ),
                ),
            ),
            el(
                "tbody",
                { role: "rowgroup" },
                (all ? cells : cells.slice(0, FIRST)).map((shown) => drawCell(shown, largest)),
            ),
        ),
        cells.length > FIRST ? allColumns(hand, cells.length) : "",
        reasons?.error ? el("p", { class: "soft" }, `The parts of the score are not known: ${reasons.error}`) : "",
        Math.abs(reasons?.remainder ?? 0) >= 0.005
            ? el("p", { class: "soft" }, `Not explained by columns: ${signed(reasons.remainder)}`)
            : "",
    );
    if (focused) byId("all-columns")?.focus({ preventScroll: true });
}

function allColumns(hand, columns) {
    const turn = () => {
        all = !all;
        drawCells(hand);
        byId("all-columns").focus();
    };
    const name = all ? `Show only the first ${FIRST} columns` : `Show all ${count(columns)} columns`;
    return el("button", { type: "button", id: "all-columns", onclick: turn }, name);
}

function drawCell({ column, value, place, words, part }, largest) {
    return el(
        "tr",
        { role: "row", class: column.role },
        el("th", { scope: "row", role: "rowheader" }, cell(column.name)),
        el("td", { role: "cell", class: "value" }, value === null ? el("em", {}, "missing") : text(value)),
        el(
            "td",
            { role: "cell", class: "part" },
            part !== null && [bar(part, largest), el("span", { class: "amount" }, signed(part))],
        ),
        el("td", { role: "cell", class: "place" }, where(column, place, words, value)),
    );
}

function bar(part, largest) {
    const width = largest > 0 ? (50 * Math.abs(part)) / largest : 0;
    const filled = el("span", { class: part >= 0 ? "raises" : "lowers" });
    filled.style.width = `${width}%`;
    filled.style.left = `${part >= 0 ? 50 : 50 - width}%`;
    return el("span", { class: "bar", "aria-hidden": "true" }, filled);
}

function where(column, place, words, value) {
    if (column.role !== "feature") {
        const role =
            { identifier: "identifier", "left-out": "left out", label: "label in the table" }[column.role] ?? column.role;
        return column.reason ? `${role}: ${column.reason}` : role;
    }
    const { profile } = column;
    const details = place && profile ? placeDetails(place, profile) : null;
    return el(
        "div",
        { title: details },
        histogram(profile, place, value),
        el("span", { class: "words" }, words, details && hidden(`, ${details}`)),
    );
}

/** A value; a long one is folded. */
function text(value) {
    const body = cell(value);
    if (value.length <= LONG && !value.includes("\n")) return body;
    body.classList.add("folded");
    const more = el("button", { type: "button", class: "link", "aria-expanded": "false" }, "read all");
    more.addEventListener("click", () => {
        const folded = body.classList.toggle("folded");
        more.setAttribute("aria-expanded", String(!folded));
        more.textContent = folded ? "read all" : "fold";
    });
    return [body, more];
}
