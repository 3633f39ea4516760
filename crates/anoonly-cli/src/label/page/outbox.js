// What is on its way to the server: in order, one request at a time. An answer counts only when the server has confirmed it, which
// means that it is on the disk; until then it stays here, is tried again, and keeps the page from being closed.

import { pause, post } from "./api.js";
import { accept } from "./store.js";
import { failed, reached, refused, watchUnsent } from "./trouble.js";
import { sentence } from "./words.js";

const waiting = [];
const listeners = [];
let working = false;

/** Calls `listener()` when something was added or confirmed. */
export const onOutbox = (listener) => listeners.push(listener);

/**
 * Sends an action: `path`, `body()` (made once, when its turn comes, because earlier actions decide what it says), `what` in words,
 * and what happens next: `done(reply)`, and `conflict(action, error)` after the answer 409, where `action.sent` is the body. An
 * earlier attempt may have been executed and its reply lost; browsers repeat requests by themselves, too. `answers` are those that
 * it gives, `row` another row that it takes out of the queue.
 */
export function send(action) {
    waiting.push({ answers: [], row: null, done: () => {}, ...action });
    changed();
    work();
}

/** Takes back the last action if it is not on its way yet. */
export function withdraw(matches) {
    if (waiting.length < 2 || !matches(waiting.at(-1))) return null;
    const action = waiting.pop();
    changed();
    return action;
}

export const pending = () => waiting.length;

/** The answer on a row that is on its way. */
export const pendingAnswer = (row) => waiting.flatMap((action) => action.answers).findLast((given) => given.row === row);

/** Whether a row is about to leave the queue. */
export const leaving = (row) => waiting.some((action) => action.row === row) || pendingAnswer(row) !== undefined;

async function work() {
    if (working) return;
    working = true;
    while (waiting.length > 0) {
        const action = waiting[0];
        try {
            // Each attempt says the same: an undo made anew would take back one more answer if only the reply was lost.
            action.sent ??= action.body();
            const reply = await post(action.path, action.sent);
            waiting.shift();
            reached("outbox");
            accept(reply);
            action.done(reply);
        } catch (error) {
            if (error.status === undefined || error.passing) {
                failed("outbox", error);
                changed();
                await pause(1000);
                continue;
            }
            waiting.shift();
            reached("outbox");
            if (error.state) accept(error.state);
            if (error.status === 409 && action.conflict) action.conflict(action, error);
            else refused(`Not saved (${action.what}): ${sentence(error.message)}`);
        }
        changed();
    }
    working = false;
}

function changed() {
    for (const listener of listeners) listener();
}

watchUnsent(() => waiting.map((action) => action.what));

addEventListener("beforeunload", (event) => {
    if (waiting.length > 0) event.preventDefault();
});
