// What was learnt: the columns that count most, and rules that describe the anomalies found.

import { get } from "./api.js";
import { byId, cell, el, show } from "./dom.js";
import { filterBy } from "./filters.js";
import { onState } from "./store.js";
import { count, counted, percent, sentence } from "./words.js";

const COLUMNS = 4;

let learnt = null;
let asking = false;
let again = false;

export function startLearnt() {
    byId("learnt-facts").addEventListener("click", (event) => {
        const rule = event.target.closest("button.rule");
        if (!rule) return;
        filterBy(learnt.rules[Number(rule.dataset.rule)].conditions);
        byId("ranking").scrollIntoView({ block: "nearest" });
    });
    onState((state, before) => {
        // Descriptions come after the fit.
        if (state.learnt !== before.learnt) ask();
    });
    ask();
}

/** One question at a time; what changes meanwhile is asked for afterwards. */
async function ask() {
    again = asking;
    if (asking) return;
    asking = true;
    try {
        learnt = await get("api/learnt");
        draw();
        byId("learnt").dataset.fit = learnt?.fit ?? "";
    } catch (error) {
        show(byId("learnt-facts"), el("p", { class: "soft" }, `Not known: ${sentence(error.message)}`));
    }
    asking = false;
    if (again) ask();
}

function draw() {
    const facts = byId("learnt-facts");
    if (!learnt?.columns.length && !learnt?.rules.length) {
        show(facts, el("p", { class: "soft" }, "Nothing yet. It begins with the first anomaly."));
        return;
    }
    const focused = facts.contains(document.activeElement) ? document.activeElement.dataset.rule : null;
    show(
        facts,
        el("div", {}, el("h3", {}, "Columns that count most"), columns(learnt.columns.slice(0, COLUMNS))),
        el(
            "div",
            {},
            el("h3", {}, "The anomalies found, in rules"),
            learnt.rules.length === 0
                ? el("p", { class: "soft" }, "No short rule describes them yet.")
                : el("ul", { class: "rules" }, learnt.rules.map(rule)),
        ),
    );
    if (focused) facts.querySelector(`[data-rule="${focused}"]`)?.focus();
}

function columns(shares) {
    const largest = Math.max(1e-9, ...shares.map(({ share }) => share));
    return el(
        "ul",
        { class: "columns" },
        shares.map(({ column: name, share }) => {
            const bar = el("span", { class: "share", "aria-hidden": "true" });
            bar.style.setProperty("--share", share / largest);
            return el("li", {}, cell(name), bar, el("span", { class: "amount" }, percent(share)));
        }),
    );
}

function rule({ text, found, of, false: wrong, open }, at) {
    const rest =
        open === 0
            ? "no row without an answer matches"
            : `${counted(open, "row")} without an answer ${open === 1 ? "matches" : "match"}`;
    return el(
        "li",
        {},
        el("button", { type: "button", class: "rule link", "data-rule": at, title: "Show these rows in the list" }, cell(text)),
        el("span", { class: "soft small" }, ` ${count(found)} of ${count(of)} found, ${count(wrong)} false; ${rest}`),
    );
}
