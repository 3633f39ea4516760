// Starts the page.

import { get } from "./api.js";
import { byId, el, show } from "./dom.js";
import { startFinish } from "./finish.js";
import { startHelp, startHint } from "./help.js";
import { startKeys } from "./keys.js";
import { listKey, startList } from "./list.js";
import { startLearnt } from "./learnt.js";
import { poll } from "./poll.js";
import { startProgress } from "./progress.js";
import { answer, open, skip, startQueue, undo } from "./queue.js";
import { startStatus } from "./status.js";
import { accept, store } from "./store.js";

async function start() {
    [store.session] = await Promise.all([get("api/session"), get("api/state").then(accept)]);
    byId("table").textContent = store.session.table;
    document.title = `${store.session.table} – anoonly label`;
    startStatus();
    startHint();
    startQueue();
    startProgress();
    startLearnt();
    startList(open);
    startFinish();
    const help = startHelp();
    buttons();
    startKeys(
        {
            y: () => answer("anomaly"),
            n: () => answer("normal"),
            u: () => answer("unsure"),
            s: skip,
            z: undo,
            c: () => byId("note").focus(),
            "/": () => byId("search").focus(),
            "?": help,
            Escape: () => {},
        },
        listKey,
    );
    poll();
}

function buttons() {
    const actions = { yes: () => answer("anomaly"), no: () => answer("normal"), unsure: () => answer("unsure"), skip, undo };
    for (const [id, act] of Object.entries(actions)) {
        // The second click of a double click would answer a row that nobody has seen.
        byId(id).addEventListener("click", (event) => {
            if (event.detail < 2 || settledClick()) act();
        });
        byId(id).addEventListener("click", () => {
            clicked = performance.now();
        });
    }
    byId("nearest").addEventListener("click", (event) => {
        const row = event.target.closest("[data-open]")?.dataset.open;
        if (row) open(Number(row));
    });
}

let clicked = 0;
const settledClick = () => performance.now() - clicked > 350;

start().catch((error) => {
    byId("trouble").hidden = false;
    show(byId("trouble"), el("p", {}, `The page could not be loaded: ${error.message}`));
});
