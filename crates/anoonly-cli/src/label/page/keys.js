// Keys of the whole page. A field, a dialog and a key with a modifier belong to the browser.

import { byId } from "./dom.js";

const isField = (element) => Boolean(element.closest("input, select, textarea"));

/** `actions` has what a key does; `list(key)` may take it first while the list has the focus. */
export function startKeys(actions, list) {
    addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
        if (document.querySelector("dialog[open]")) return;
        if (!(event.target instanceof Element)) return;
        if (isField(event.target)) return leaveField(event);
        // A key that is held down, also `Enter` on a button, would answer rows that nobody has seen.
        if (event.repeat && (event.target.closest("#answers, #selection") || event.key in actions)) return event.preventDefault();
        if (!(event.key in actions)) return;
        event.preventDefault();
        if (event.target.closest("#ranking") && list(event.key)) return;
        actions[event.key]();
    });
}

function leaveField(event) {
    const back = event.key === "Escape" || (event.key === "Enter" && event.target.id === "note");
    if (!back) return;
    event.preventDefault();
    event.target.blur();
    // What comes next, also for whoever goes on with Tab: the rows that were searched for, or the answers.
    const row = event.target.id === "search" ? document.querySelector("#list .row[tabindex='0']") : null;
    (row ?? byId("yes")).focus({ preventScroll: true });
}
