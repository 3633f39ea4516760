// Writes the labelled table and the model.

import { post } from "./api.js";
import { byId, el, show } from "./dom.js";
import { pending } from "./outbox.js";
import { onState, store } from "./store.js";
import { count, counted, sentence } from "./words.js";

// What a threshold can promise: the words before and after the percentage, and its usual value.
const RULES = {
    fpr: ["At most ", " of normal rows", 5],
    share: ["", " of all rows", 1],
    fdr: ["At most ", " false alarms among the flagged rows", 10],
};
// What the next commands are for, by their second word.
const PURPOSES = {
    score: "Score new rows",
    threshold: "Choose another threshold",
    train: "Train another method on the labelled table",
};

export function startFinish() {
    const dialog = byId("finish-dialog");
    byId("finish").addEventListener("click", () => {
        drawForm();
        byId("saved").replaceChildren();
        dialog.showModal();
    });
    byId("finish-close").addEventListener("click", () => dialog.close());
    byId("save").addEventListener("click", save);
    onState(() => dialog.open && drawFacts());
}

function drawForm() {
    const { out, model } = store.session;
    if (byId("finish-form").childElementCount === 0) {
        byId("finish-form").append(
            el("p", { id: "finish-facts" }),
            el(
                "dl",
                {},
                el("dt", {}, "Labelled table"),
                el("dd", {}, el("code", {}, out), el("span", { id: "replaces-out", class: "soft" })),
                el("dt", {}, "Model"),
                el("dd", {}, el("code", {}, model), el("span", { id: "replaces-model", class: "soft" })),
            ),
            el(
                "fieldset",
                {},
                el("legend", {}, "Which rows should be flagged?"),
                Object.keys(RULES).map(choice),
                el(
                    "label",
                    { class: "choice" },
                    el("input", { type: "radio", name: "threshold", value: "none" }),
                    " No threshold: scores only",
                ),
            ),
        );
    }
    drawFacts();
}

function drawFacts() {
    const { out_exists: out, model_exists: model } = store.session;
    const { saved, progress } = store.state;
    const { anomalies, normals, unsure, answered } = progress;
    // What this session has written itself is replaced without a word.
    const replaces = (exists) => (exists && !saved ? " replaces the file that is there" : "");
    show(byId("replaces-out"), replaces(out));
    show(byId("replaces-model"), replaces(model));
    show(
        byId("finish-facts"),
        `${counted(answered, "answer")}: ${counted(anomalies, "anomaly", "anomalies")}, ${counted(normals, "normal row")}, ${count(unsure)} unsure.`,
        saved && ` Written last with ${counted(saved.answers, "answer")}.`,
    );
}

function choice(rule) {
    const [before, after, usual] = RULES[rule];
    const share = el("input", {
        type: "number",
        class: "percent",
        min: 0.01,
        max: 99,
        step: "any",
        value: usual,
        "aria-label": `Percent${after}`,
        "data-rule": rule,
    });
    const radio = el("input", {
        type: "radio",
        name: "threshold",
        value: rule,
        checked: rule === "fpr",
        "aria-labelledby": `rule-${rule}`,
    });
    const choose = () => {
        radio.checked = true;
    };
    share.addEventListener("focus", choose);
    return el(
        "p",
        { class: "choice" },
        radio,
        " ",
        // No label element, because the field for the percentage is inside.
        el("span", { id: `rule-${rule}`, onclick: choose }, before, share, ` %${after}`),
        rule === "fpr" &&
            [1, 5, 10].map((value) => [
                " ",
                el(
                    "button",
                    {
                        type: "button",
                        onclick: () => {
                            choose();
                            share.value = value;
                        },
                    },
                    `${value} %`,
                ),
            ]),
    );
}

function threshold() {
    const rule = document.querySelector("input[name=threshold]:checked").value;
    if (rule === "none") return null;
    return { rule, value: Number(document.querySelector(`.percent[data-rule=${rule}]`).value) / 100 };
}

async function save() {
    const button = byId("save");
    const saved = byId("saved");
    const chosen = threshold();
    if (chosen && !(chosen.value > 0 && chosen.value < 1))
        return show(saved, el("p", {}, "Give a share above 0 % and below 100 %."));
    if (pending() > 0) return show(saved, el("p", {}, "Some answers are not saved yet. Try again in a moment."));
    button.disabled = true;
    show(saved, el("p", {}, "Fitting the model with all answers and writing…"));
    try {
        drawSaved(await post("api/save", { threshold: chosen }));
    } catch (error) {
        show(saved, el("p", {}, `Not written: ${sentence(error.message)}`));
    }
    button.disabled = false;
}

function drawSaved({ table, model, summary, threshold: promise, commands, model_error: why }) {
    show(
        byId("saved"),
        el("p", {}, el("strong", {}, "Written: "), el("code", {}, table), model && [" and ", el("code", {}, model)], "."),
        why && el("p", {}, `There is no model: ${why} The labelled table is complete all the same.`),
        promise && el("p", {}, `Threshold: ${sentence(promise)}`),
        commands.length > 0 && el("p", {}, "What you can do next:"),
        commands.length > 0 &&
            el(
                "ul",
                {},
                commands.map((command) =>
                    el("li", { class: "command" }, purpose(command), el("code", {}, command), " ", copy(command)),
                ),
            ),
        summary &&
            el(
                "details",
                {},
                el("summary", {}, "How the table was read and the model was fitted"),
                // Its tables keep their lines and scroll sideways, also by key.
                el("pre", { tabindex: 0, role: "region", "aria-label": "How the model was fitted" }, summary),
            ),
        el("p", {}, "You can go on labelling; saving again replaces the files."),
    );
}

function purpose(command) {
    const words = PURPOSES[command.split(" ")[1]];
    return words && el("div", { class: "soft" }, words);
}

function copy(command) {
    const button = el("button", { type: "button", "aria-label": `Copy ${command}` }, "Copy");
    button.addEventListener("click", async () => {
        try {
            await navigator.clipboard.writeText(command);
            button.textContent = "Copied";
        } catch {
            // Not allowed here: the text is selected instead, ready for the keys of the browser.
            getSelection().selectAllChildren(button.previousElementSibling);
        }
    });
    return button;
}
