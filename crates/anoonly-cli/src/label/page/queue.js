// The row at hand, and what is done with it. The row at hand changes only by what the person does.

import { get, pause, Unreachable } from "./api.js";
import { details, onExplained, prefetch, reasons } from "./details.js";
import { leaving, pending, pendingAnswer, send, withdraw } from "./outbox.js";
import { byId } from "./dom.js";
import { bringIntoSight, drawCells, drawQuestion, drawSurroundings } from "./question.js";
import { onState, refitted, store } from "./store.js";
import { refused, stopped } from "./trouble.js";
import { counted, sentence } from "./words.js";

// A conflict brings its row back only while nobody can have begun to judge the next one; later, the row comes next.
const UNSEEN = 1000;

let hand = null;
// Rows to be asked before those of the server, because their answer met another one.
const returned = [];
// Rows skipped since the last answer, which `undo` brings back first.
let skips = [];
// Notes that were begun on rows that were left.
const drafts = new Map();

export function startQueue() {
    onState(changed);
    onExplained(look);
    advance(true);
}

/** The rows that come after the one at hand. */
function upcoming() {
    const asked = store.state.questions.filter(({ row }) => !leaving(row) && returned.every((other) => other.row !== row));
    return [...returned, ...asked].filter(({ row }) => row !== hand?.row);
}

function look() {
    prefetch(
        hand?.row,
        upcoming().map(({ row }) => row),
    );
}

/** Takes the next row; `quiet` leaves the page where it is scrolled to. */
function advance(quiet = false) {
    const next = upcoming()[0];
    const at = returned.indexOf(next);
    if (at >= 0) returned.splice(at, 1);
    if (next) take({ ...next, quiet });
    else leave(null);
}

function leave(next) {
    const note = byId("note");
    if (hand && note.value) drafts.set(hand.row, note.value);
    hand = next;
    note.value = (next && drafts.get(next.row)) ?? next?.note ?? "";
    if (next) drafts.delete(next.row);
    drawQuestion(hand);
    look();
}

/** Shows a row: `{row, because, notice}`. What was fetched ahead is there at once. */
function take(question) {
    const taken = { note: null, notice: null, ...question, shown: performance.now() };
    taken.detail = question.fresh ? null : details.peek(question.row);
    taken.reasons = reasons.peek(question.row);
    taken.known = taken.detail?.answer?.answer ?? null;
    leave(taken);
    if (!question.quiet) bringIntoSight();
    if (!taken.detail) load(taken);
    else if (!details.current(taken.row, true)) look();
    if (!taken.reasons) {
        reasons
            .wait(taken.row)
            .then(
                (found) => {
                    taken.reasons = found;
                },
                (error) => {
                    taken.reasons = { error: error.message };
                },
            )
            .then(() => hand === taken && taken.detail && drawCells(hand));
    }
}

async function load(taken) {
    try {
        taken.detail = await (taken.fresh ? details.fetch(taken.row) : details.wait(taken.row));
        taken.known = taken.detail.answer?.answer ?? null;
    } catch (error) {
        if (hand !== taken) return;
        if (error instanceof Unreachable) return pause(1000).then(() => hand === taken && load(taken));
        taken.failed = true;
        taken.notice = `This row cannot be shown: ${sentence(error.message)}`;
    }
    if (hand === taken) drawQuestion(hand);
}

/** Opens any row, for example from the list. */
export const open = (row) =>
    take({ row, because: store.state.questions.find((asked) => asked.row === row)?.because ?? null, fresh: true });

/** Goes on if the row at hand has just been answered in the list. */
export function passOn() {
    if (hand && leaving(hand.row)) advance(true);
}

/** Whether the row at hand can be answered now. */
const ready = () => hand?.detail && !hand.detail.held_out && !stopped();

/** Answers the row at hand. */
export function answer(value) {
    if (!ready()) return;
    const given = { row: hand.row, answer: value, note: byId("note").value.trim() || null };
    given.expected = pendingAnswer(hand.row)?.answer ?? hand.known;
    skips = [];
    byId("note").value = "";
    details.entries.delete(hand.row);
    const asked = { row: hand.row, because: hand.because };
    send({
        path: "api/answers",
        answers: [given],
        body: () => ({ answers: [given] }),
        what: `row ${given.row}: ${value}`,
        conflict: () => conflict(asked, given),
    });
    advance();
}

/** Another page has answered the row. */
async function conflict(asked, given) {
    const detail = await get(`api/rows/${given.row}`).catch(() => null);
    const other = detail?.answer;
    // Our own answer, sent twice because the first reply was lost, or the same one from another page: nothing is left to say.
    if (other?.answer === given.answer && (other.note ?? null) === given.note) return;
    const said = other ? `the answer “${other.answer}”${other.note ? `, “${other.note}”` : ""}` : "no answer any more";
    const notice = `In another page this row has ${said}. Your answer “${given.answer}” was not saved. Answer again to replace it.`;
    const question = { ...asked, notice, note: given.note, fresh: true };
    if (!hand || performance.now() - hand.shown < UNSEEN) take(question);
    else {
        returned.push(question);
        refused(`Row ${given.row} was answered in another page as well: it comes next.`);
    }
}

/** Leaves the row for later. A row that was not asked is only closed. */
export function skip() {
    if (!hand) return;
    const row = hand.row;
    if (!hand.because || hand.known) return advance();
    if (stopped()) return;
    skips.push({ row, because: hand.because });
    send({ path: "api/skip", row, body: () => ({ row, skipped: true }), what: `row ${row}: skipped` });
    advance();
}

/** Takes back the last skip or answer. */
export function undo() {
    if (stopped()) return;
    const skipped = skips.pop();
    if (skipped) {
        const unsent = withdraw((action) => action.path === "api/skip" && action.row === skipped.row);
        if (!unsent) {
            send({
                path: "api/skip",
                body: () => ({ row: skipped.row, skipped: false }),
                what: `row ${skipped.row}: not skipped`,
            });
        }
        return take(skipped);
    }
    const unsent = withdraw((action) => action.answers.length === 1);
    if (unsent) return back({ ...unsent.answers[0] });
    if (pending() === 0 && !store.state.last) return;
    let last = null;
    send({
        path: "api/undo",
        // The number of answers guards against taking back what another page has added.
        body: () => {
            last = store.state.last;
            return { answers: store.state.answers };
        },
        what: "undo",
        done: ({ undone, together }) => undone && back(undone, together),
        conflict: ({ sent }, error) => {
            // It is taken back already: by a first attempt whose reply was lost, or by another page.
            const gone = sent.answers - (error.state?.answers ?? sent.answers);
            if (last && gone > 0) return restored(last, gone > 1 ? `${counted(gone, "answer")} were taken back.` : undefined);
            refused(`Nothing was taken back: ${sentence(error.message)}`);
        },
    });
}

function back({ row, answer: value, note, because }, together = 1) {
    const what = together > 1 ? `${counted(together, "answer")} “${value}” were` : `The answer “${value}” was`;
    restored({ row, note, because }, `${what} taken back.`);
}

/** Shows a row whose answer was taken back. */
function restored({ row, note, because }, notice = "The answer was taken back.") {
    drafts.delete(row);
    take({ row, because: because ?? "taken-back", note, notice, fresh: true });
}

/** Something changed: what lies around the row at hand follows, the row itself stays. */
function changed(state, before) {
    if (!hand) return advance(true);
    look();
    if (state.answers !== before.answers || refitted(state, before)) surroundings(hand);
}

/** Refreshes the nearest answers, and whether another page has answered the row. */
async function surroundings(shown) {
    const detail = await get(`api/rows/${shown.row}`).catch(() => null);
    if (!detail || hand !== shown || !shown.detail) return;
    const now = detail.answer?.answer ?? null;
    if (now !== shown.known) {
        shown.notice = now
            ? `In another page this row was answered “${now}”. An answer here replaces it.`
            : "In another page the answer on this row was taken back.";
    }
    shown.known = now;
    shown.detail = { ...shown.detail, answer: detail.answer, nearest: detail.nearest };
    drawSurroundings(shown);
}
