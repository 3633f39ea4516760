// What the page says when the server cannot be reached or refuses.

import { Unreachable } from "./api.js";
import { byId, el, show } from "./dom.js";
import { store } from "./store.js";
import { count } from "./words.js";

// So many failed requests, about a second apart, are no accident.
const STOPPED = 3;

let failures = 0;
let gone = 0;
let refusal = null;
let unsent = () => [];

/** Whether the program is gone, as far as the page can know. */
export const stopped = () => gone >= STOPPED;

/** `list` returns a text for each thing that was not sent. */
export const watchUnsent = (list) => { unsent = list; };

/** A request that could be tried again failed. */
export function failed(error) {
    failures += 1;
    gone = error instanceof Unreachable || error.status === 403 ? gone + 1 : 0;
    const trouble = byId("trouble");
    trouble.hidden = false;
    if (gone === 0) {
        show(trouble, el("p", {}, `Not saved yet: ${error.message} Trying again.`), lost());
    } else if (!stopped()) {
        show(trouble, el("p", {}, "The program does not answer. Trying again."), lost());
    } else {
        const { answers, last } = store.state ?? { answers: 0, last: null };
        const saved = last ? `Answers up to the one on row ${last.row} are saved (${count(answers)} in all)` : "No answer was given";
        show(trouble, el("p", {}, `The program has stopped. ${saved}; start it again with the same command.`), lost());
    }
}

/** What is lost if the page is closed now. */
function lost() {
    const rows = unsent();
    return rows.length > 0 && el("p", {}, `Not saved: ${rows.join("; ")}. Keep this page open, or give these answers again.`);
}

/** The server answered. */
export function reached() {
    if (failures > 0 && !refusal) byId("trouble").hidden = true;
    failures = 0;
    gone = 0;
}

/** Something was refused for good: says so until the next thing was saved. */
export function refused(message) {
    refusal = message;
    byId("trouble").hidden = false;
    show(byId("trouble"), el("p", {}, message));
}

export function settled() {
    refusal = null;
    if (failures === 0) byId("trouble").hidden = true;
}
