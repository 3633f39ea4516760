// The list of all rows: a grid in which only the rows in view exist as elements, so that a million rows scroll.

import { byId, cell, el, hidden, show } from "./dom.js";
import { filter, filtered, startFilters } from "./filters.js";
import { answerMark } from "./question.js";
import { fetchRows, Rows } from "./rows.js";
import { answerSelected, anySelected, clear, isSelected, select, startSelection, toggle, update } from "./selection.js";
import { listedColumns, onState, refitted, store } from "./store.js";
import { count, counted, sentence } from "./words.js";
import { headerCells, startHeader } from "./header.js";

const LINE = 28;
// Browsers limit the height of an element. A longer list is scrolled in larger steps.
const TALLEST = 8_000_000;
// Rows beyond the edges, so that quick scrolling meets no gap.
const SPARE = 8;
const SELECT_ALL = 100;
const SELECT_BETWEEN = 500;

const rows = new Rows(arrived, (error) => show(byId("list-note"), `The list could not be loaded: ${sentence(error.message)}`));
const drawn = new Map();
let sort = { by: "rank", descending: false };
let body = null;
let head = null;
// The place that has the focus when the list has it, and where a range began.
let active = 0;
let anchor = 0;
let announce = false;
let openRow = () => {};

export function startList(open) {
    openRow = open;
    const list = byId("list");
    head = el("div", { class: "head", role: "row", "aria-rowindex": 1 }, headerCells(listedColumns()));
    body = el("div", { class: "body", role: "rowgroup" });
    list.append(el("div", { class: "heads", role: "rowgroup" }, head), body);
    list.setAttribute("aria-colcount", head.childElementCount);
    list.style.setProperty("--columns", listedColumns().length);
    const [listed, columns] = [listedColumns().length, store.session.columns.length];
    if (listed < columns) byId("listed").textContent = `first ${count(listed)} of ${counted(columns, "column")}`;
    list.style.setProperty("--digits", Math.max(4, count(store.session.rows).length));
    startHeader(
        head,
        sort,
        (next) => {
            sort = next;
            ask();
        },
        () => focusPlace(active),
    );
    list.addEventListener("scroll", () => requestAnimationFrame(draw));
    new ResizeObserver(draw).observe(list);
    list.addEventListener("keydown", pressed);
    body.addEventListener("click", clicked);
    body.addEventListener("dblclick", (event) => openAt(placeOf(event)));
    body.addEventListener("focusin", (event) => setActive(placeOf(event)));
    byId("select-matching").addEventListener("click", selectMatching);
    startFilters(ask);
    startSelection(draw);
    onState(changed);
    ask();
}

/** Other rows, or another order: the list begins at its top. */
function ask() {
    rows.ask({ filter: filter(), sort });
    byId("list").scrollTop = 0;
    active = 0;
}

/** The list follows what changed, and stays where it was scrolled to. */
function changed(state, before) {
    if (refitted(state, before)) announce = true;
    if (refitted(state, before) || state.answers !== before.answers || state.skipped.length !== before.skipped.length)
        rows.refresh();
}

function arrived() {
    const list = byId("list");
    list.dataset.matching = rows.matching;
    list.setAttribute("aria-rowcount", rows.matching + 1);
    show(byId("matching"), filtered() ? `${count(rows.matching)} of ${counted(rows.total, "row")}` : counted(rows.total, "row"));
    byId("select-matching").textContent =
        rows.matching > SELECT_ALL ? `Select first ${SELECT_ALL}` : `Select all ${rows.matching}`;
    byId("select-matching").disabled = rows.matching === 0;
    for (const row of [...rows.pages.values()].flatMap((page) => page.rows)) update(row);
    const note = byId("list-note");
    if (announce) {
        announce = false;
        show(note, `New ranking ${store.state.fit.number}`);
        note.classList.remove("new");
        void note.offsetWidth;
        note.classList.add("new");
    } else if (!note.textContent.startsWith("New")) show(note, "");
    draw();
}

/** How scroll positions and places of the list correspond. */
function geometry() {
    const list = byId("list");
    const view = Math.max(LINE, list.clientHeight - head.offsetHeight);
    const full = rows.matching * LINE;
    const tall = Math.min(full, TALLEST);
    const stretch = tall > view && full > tall ? (full - view) / (tall - view) : 1;
    return { list, view, tall, stretch, top: list.scrollTop * stretch, shift: list.scrollTop * (stretch - 1) };
}

function draw() {
    const { view, tall, top, shift } = geometry();
    body.style.height = `${tall}px`;
    const first = Math.max(0, Math.floor(top / LINE) - SPARE);
    const last = Math.min(rows.matching - 1, Math.ceil((top + view) / LINE) + SPARE);
    active = Math.max(0, Math.min(active, rows.matching - 1));
    const places = new Set();
    for (let place = first; place <= last; place += 1) places.add(place);
    // The row with the focus stays, or the focus would be lost.
    if (rows.matching > 0) places.add(active);
    for (const [place, element] of drawn) {
        if (places.has(place)) continue;
        element.remove();
        drawn.delete(place);
    }
    for (const place of places) drawRow(place, place * LINE - shift);
    rows.want(Math.max(0, first), Math.max(0, last));
}

function drawRow(place, y) {
    let element = drawn.get(place);
    if (!element) {
        element = el("div", { class: "row", role: "row", "aria-rowindex": place + 2, "data-place": place });
        drawn.set(place, element);
        // In their order, because screen readers follow it.
        const next = [...drawn.keys()].filter((other) => other > place);
        body.insertBefore(element, next.length ? drawn.get(Math.min(...next)) : null);
    }
    element.style.transform = `translateY(${y}px)`;
    element.tabIndex = place === active ? 0 : -1;
    const row = rows.at(place);
    const chosen = Boolean(row && isSelected(row.row));
    element.setAttribute("aria-selected", String(chosen));
    if (element.shown === row && row) return;
    element.shown = row;
    element.dataset.row = row?.row ?? "";
    element.dataset.answer = row?.answer ?? "";
    element.replaceChildren(...(row ? cells(row) : [el("div", { role: "gridcell", class: "waiting" }, "…")]));
}

function cells(row) {
    const gridcell = (shown, name = "") => el("div", { role: "gridcell", class: name }, shown);
    return [
        gridcell([el("span", { class: "box", "aria-hidden": "true" }), count(row.rank)], "number first"),
        gridcell(change(row.change), "number"),
        gridcell(standing(row)),
        gridcell(count(row.row), "number"),
        ...row.cells.map((text, at) =>
            gridcell(
                text === null ? el("em", {}, "missing") : cell(text),
                store.session.columns[at]?.kind === "number" ? "number" : "",
            ),
        ),
    ];
}

function change(places) {
    if (!places) return places === 0 ? hidden("unchanged") : "";
    const up = places > 0;
    return [
        el("span", { "aria-hidden": "true" }, `${up ? "▲" : "▼"}${count(Math.abs(places))}`),
        hidden(`${up ? "up" : "down"} ${Math.abs(places)}`),
    ];
}

function standing({ answer, label, held_out: held, skipped }) {
    if (answer) return answerMark(answer);
    if (label) return [answerMark(label), el("span", { class: "soft" }, " (table)")];
    return held ? el("span", { class: "soft" }, "held out") : skipped ? el("span", { class: "soft" }, "skipped") : "";
}

const placeOf = (event) => Number(event.target.closest("[data-place]")?.dataset.place ?? active);

function setActive(place) {
    if (place === active) return;
    const before = drawn.get(active);
    if (before) before.tabIndex = -1;
    active = place;
    if (drawn.has(place)) drawn.get(place).tabIndex = 0;
}

/** Scrolls a place into view and gives it the focus. */
function focusPlace(place) {
    const to = Math.max(0, Math.min(place, rows.matching - 1));
    const { list, view, top, stretch } = geometry();
    const wanted = Math.min(to * LINE, Math.max(top, (to + 1) * LINE - view));
    if (wanted !== top) list.scrollTop = wanted / stretch;
    setActive(to);
    draw();
    drawn.get(to)?.focus({ preventScroll: true });
}

function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest(".head")) return;
    const page = Math.max(1, Math.floor(geometry().view / LINE) - 1);
    const moves = {
        ArrowDown: active + 1,
        ArrowUp: active - 1,
        PageDown: active + page,
        PageUp: active - page,
        Home: 0,
        End: rows.matching - 1,
    };
    if (event.key in moves) {
        event.preventDefault();
        if (event.key === "ArrowUp" && active === 0) return head.querySelector("[tabindex='0']").focus();
        focusPlace(moves[event.key]);
    } else if (event.key === " ") {
        event.preventDefault();
        if (!event.repeat) choose(active, event.shiftKey);
    } else if (event.key === "Enter" && !event.repeat) openAt(active);
}

function clicked(event) {
    const place = placeOf(event);
    setActive(place);
    drawn.get(place)?.focus({ preventScroll: true });
    choose(place, event.shiftKey);
}

/** Selects a row or takes it out; with `between`, all rows since the last one. */
async function choose(place, between) {
    const row = rows.at(place);
    if (!between) {
        anchor = place;
        if (row) toggle(row);
        return;
    }
    const first = Math.min(anchor, place);
    const number = Math.min(Math.abs(place - anchor) + 1, SELECT_BETWEEN);
    getSelection()?.removeAllRanges();
    select((await fetchRows(rows.query, first, number)).rows);
}

async function selectMatching() {
    select((await fetchRows(rows.query, 0, SELECT_ALL)).rows);
}

function openAt(place) {
    const row = rows.at(place);
    if (row) openRow(row.row);
}

/** Takes a key of the page while the list has the focus and rows are selected. Returns whether it did. */
export function listKey(key) {
    const answers = { y: "anomaly", n: "normal", u: "unsure" };
    if (!anySelected()) return false;
    if (key === "Escape") clear();
    else if (key in answers) answerSelected(answers[key]);
    else return false;
    return true;
}
