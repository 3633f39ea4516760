// What the page says when the server cannot be reached or refuses.

import { Unreachable } from "./api.js";
import { byId, el, show } from "./dom.js";
import { store } from "./store.js";
import { count, sentence } from "./words.js";

// So many failed requests, about a second apart, are no accident.
const STOPPED = 3;
// How long a refusal can be read if nobody dismisses it, in milliseconds.
const READING = 10_000;

// The last error of each kind of request that is being tried again, by name.
const failing = new Map();
let gone = 0;
let refusals = [];
let unsent = () => [];

/** `list` returns a text for each thing that was not sent. */
export const watchUnsent = (list) => {
    unsent = list;
};

/** Whether the program is gone, as far as the page can know. */
export const stopped = () => gone >= STOPPED;

/** Whether what waits in the outbox could not be sent. */
export const sendingFails = () => failing.has("outbox");

/** A request failed and is going to be tried again. */
export function failed(name, error) {
    failing.set(name, error);
    gone = error instanceof Unreachable || error.status === 403 ? gone + 1 : 0;
    draw();
}

/** A request succeeded, or was refused for good. */
export function reached(name) {
    if (gone === 0 && !failing.has(name)) return;
    failing.delete(name);
    gone = 0;
    draw();
}

/** Something was refused for good: the page says so until it is dismissed, or for a while. What is saved next changes nothing. */
export function refused(message) {
    const refusal = { message };
    refusals = [...refusals.filter((other) => other.message !== message), refusal];
    expire(refusal);
    draw();
}

/** Ends a refusal after a while, unless the focus is on it, which would be lost. */
function expire(refusal) {
    setTimeout(() => {
        if (!refusals.includes(refusal)) return;
        if (byId("trouble").contains(document.activeElement)) return expire(refusal);
        refusals = refusals.filter((other) => other !== refusal);
        draw();
    }, READING);
}

const dismissButton = () => el("button", { type: "button", onclick: dismiss }, "Dismiss");

function dismiss() {
    refusals = [];
    draw();
    byId("yes").focus({ preventScroll: true });
}

function draw() {
    const trouble = byId("trouble");
    const [error] = failing.values();
    trouble.hidden = !error && refusals.length === 0;
    const focused = trouble.querySelector("button") === document.activeElement;
    show(
        trouble,
        error && el("p", {}, describe(error)),
        error && lost(),
        refusals.map(({ message }, at) => el("p", {}, message, at === refusals.length - 1 && [" ", dismissButton()])),
    );
    if (focused) trouble.querySelector("button")?.focus();
}

function describe(error) {
    if (stopped()) {
        const { answers, last } = store.state;
        const saved = last
            ? `Answers up to the one on row ${last.row} are saved (${count(answers)} in all)`
            : "No answer was given";
        return `The program has stopped. ${saved}; start it again with the same command.`;
    }
    if (gone > 0) return "The program does not answer. Trying again.";
    return `${sendingFails() ? "Not saved yet" : "The program has a problem"}: ${sentence(error.message)} Trying again.`;
}

/** What is lost if the page is closed now. */
function lost() {
    const rows = unsent();
    return rows.length > 0 && el("p", {}, `Not saved: ${rows.join("; ")}. Keep this page open, or give these answers again.`);
}
