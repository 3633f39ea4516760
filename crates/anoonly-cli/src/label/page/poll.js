// Waits for changes that others make: the refit, and other pages on the same session.

import { get, pause, Unreachable } from "./api.js";
import { accept, store } from "./store.js";
import { failed, reached } from "./trouble.js";

// The server answers after 20 seconds even if nothing changed; one that does not has stopped.
const PATIENCE = 40_000;

let waiting = null;

export async function poll() {
    for (;;) {
        await visible();
        waiting = new AbortController();
        const late = setTimeout(() => waiting.abort(), PATIENCE);
        try {
            accept(await get(`api/state?after=${store.state.version}`, waiting.signal));
            reached("poll");
        } catch (error) {
            // A page that was hidden is no failure.
            if (error.name === "AbortError" && document.hidden) continue;
            failed("poll", error.name === "AbortError" ? new Unreachable("no answer") : error);
            await pause(1000);
        } finally {
            clearTimeout(late);
        }
    }
}

/** A hidden page asks for nothing: browsers allow few connections to one server, and other pages need them. */
async function visible() {
    while (document.hidden) {
        await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    }
}

document.addEventListener("visibilitychange", () => {
    if (document.hidden) waiting?.abort();
});
