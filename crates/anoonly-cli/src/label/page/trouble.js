// What the page says when the server cannot be reached or refuses.

import { Unreachable } from "./api.js";
import { byId, el, show } from "./dom.js";
import { store } from "./store.js";
import { count, sentence } from "./words.js";

// So many failed requests, about a second apart, are no accident.
const STOPPED = 3;

// The last error of each kind of request that is being tried again, by name.
const failing = new Map();
let gone = 0;
let refusal = null;
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

/** Something was refused for good: the page says so until the next thing was saved. */
export function refused(message) {
    refusal = message;
    draw();
}

export function settled() {
    if (refusal === null) return;
    refusal = null;
    draw();
}

function draw() {
    const trouble = byId("trouble");
    const [error] = failing.values();
    trouble.hidden = !error && refusal === null;
    show(trouble, error && el("p", {}, describe(error)), error && lost(), refusal !== null && el("p", {}, refusal));
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
