// The help, and the line that a first-time visitor sees.

import { byId } from "./dom.js";
import { onState, store } from "./store.js";
import { count, counted } from "./words.js";

// The number of answers after which the line goes away by itself.
const ENOUGH = 5;

/** Returns what opens the help. */
export function startHelp() {
    const { journal, held_out: held, table, resumed } = store.session;
    const before = resumed > 0 ? ` It had ${count(resumed)} from before.` : "";
    byId("help-files").textContent = `Answers are kept in ${journal}.${before} ${table} is never changed. ${heldOut(held)}`;
    const dialog = byId("help-dialog");
    const open = () => dialog.showModal();
    byId("help").addEventListener("click", open);
    byId("help-close").addEventListener("click", () => dialog.close());
    return open;
}

export const heldOut = (held) =>
    held > 0
        ? `${counted(held, "row")} held out: never asked, because their scores calibrate the model.`
        : "No rows are held out, so the model has no calibrated thresholds.";

/** The hint is for whoever has no answers yet. */
export function startHint() {
    const hint = byId("hint");
    const enough = ({ answers }) => answers >= ENOUGH;
    hint.hidden = store.session.resumed > 0 || enough(store.state);
    byId("hint-close").addEventListener("click", () => {
        hint.hidden = true;
        byId("yes").focus();
    });
    // Whoever has answered this often knows how, unless the button has the focus, which would be lost.
    onState((state) => {
        if (enough(state) && !hint.contains(document.activeElement)) hint.hidden = true;
    });
}
