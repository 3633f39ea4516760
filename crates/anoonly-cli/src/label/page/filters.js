// Which rows the list shows: a text, an answer, and conditions from rules.

import { byId, cell, el, show } from "./dom.js";
import { store } from "./store.js";
import { conditionWords } from "./words.js";

const ANSWERS = {
    any: "all rows",
    open: "without an answer",
    answered: "with an answer",
    anomaly: "◆ anomalies",
    normal: "○ normal rows",
    unsure: "? unsure",
    skipped: "skipped",
    "held-out": "held out",
};
// A pause in typing, after which the list follows.
const TYPED = 200;

let conditions = [];
let changed = () => {};

/** `listener()` is called when other rows are wanted. */
export function startFilters(listener) {
    changed = listener;
    const answers = byId("answer-filter");
    answers.replaceChildren(...Object.entries(ANSWERS).map(([value, name]) => el("option", { value }, name)));
    answers.addEventListener("change", changed);
    let typing = null;
    byId("search").addEventListener("input", () => {
        clearTimeout(typing);
        typing = setTimeout(changed, TYPED);
    });
}

export const filter = () => ({ text: byId("search").value.trim(), conditions, answer: byId("answer-filter").value });

export const filtered = () =>
    conditions.length > 0 || byId("search").value.trim() !== "" || byId("answer-filter").value !== "any";

/** Shows the rows that meet all of these. */
export function filterBy(next) {
    conditions = next;
    const chips = byId("conditions");
    chips.hidden = conditions.length === 0;
    show(
        chips,
        conditions.map((condition, at) => {
            const words = conditionWords(condition, store.session.columns.find(({ name }) => name === condition.column)?.kind);
            return el(
                "li",
                {},
                cell(words),
                " ",
                el("button", { type: "button", "data-remove": at, "aria-label": `Remove the condition ${words}` }, "×"),
            );
        }),
    );
    for (const button of chips.querySelectorAll("[data-remove]")) {
        button.onclick = () => {
            filterBy(conditions.filter((_, at) => at !== Number(button.dataset.remove)));
            (chips.querySelector("button") ?? byId("search")).focus();
        };
    }
    changed();
}
