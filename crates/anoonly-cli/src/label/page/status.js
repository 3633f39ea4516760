// What was saved, and what the ranking knows.

import { byId, show } from "./dom.js";
import { onOutbox, pending } from "./outbox.js";
import { onState, refitted, store } from "./store.js";
import { sendingFails } from "./trouble.js";
import { count, counted } from "./words.js";

// Quick answers are saved before anyone could read that they are being saved; saying so each time would only chatter.
const SLOW = 300;

let slow = null;

export function startStatus() {
    onOutbox(drawStatus);
    onState((state, before) => {
        drawStatus();
        drawFit(state, before);
    });
    drawStatus();
    drawFit(store.state, store.state);
}

function drawStatus() {
    const status = byId("status");
    const waiting = pending();
    status.dataset.pending = waiting;
    status.dataset.answers = store.state.answers;
    byId("undo").setAttribute("aria-disabled", String(!store.state.last && store.state.skipped.length === 0 && waiting === 0));
    if (waiting === 0) {
        clearTimeout(slow);
        slow = null;
        show(status, saved());
    } else if (sendingFails()) {
        show(status, `not saved yet: ${waiting}`);
    } else {
        slow ??= setTimeout(() => {
            slow = null;
            if (pending() > 0) show(status, `saving…`);
        }, SLOW);
    }
}

function saved() {
    const { last, answers } = store.state;
    if (!last) return "no answer yet";
    return `saved: row ${last.row} ${last.answer}, ${counted(answers, "answer")}`;
}

/** The ranking that the scores come from. Its arrival is seen for a while, and nothing waits for it. */
function drawFit(state, before) {
    const { number, running, answers, error } = state.fit;
    const fit = byId("fit");
    fit.dataset.number = number;
    fit.dataset.running = running;
    const known = `ranking ${count(number)}, fitted with ${counted(answers, "answer")}`;
    show(fit, error ? `${known}; the last fit failed: ${error}` : running ? `${known}; learning…` : known);
    if (!refitted(state, before)) return;
    fit.classList.remove("new");
    // The animation starts again only if the style was computed in between.
    void fit.offsetWidth;
    fit.classList.add("new");
}
