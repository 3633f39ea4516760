// What was found, what may be left, and which rows are asked.

import { post } from "./api.js";
import { byId, el, show, svg } from "./dom.js";
import { heldOut } from "./help.js";
import { accept, onState, store } from "./store.js";
import { refused } from "./trouble.js";
import { count, counted, percent, sentence } from "./words.js";

const STRATEGIES = { top: "highest scores", diverse: "high scores, spread out", margin: "the border between yes and no" };
// The value of the choice that asks for nothing but random rows: a strategy of its own.
const ONLY = "only";
const SHARES = { 0: "none", 0.1: "10 %", 0.5: "50 %", [ONLY]: "only random" };

// What to go back to after only random rows.
let strategy = "top";

export function startProgress() {
    fillSelect(byId("strategy"), STRATEGIES);
    fillSelect(byId("share"), SHARES);
    byId("strategy").addEventListener("change", ask);
    byId("share").addEventListener("change", ask);
    onState(draw);
    draw(store.state);
}

const fillSelect = (select, names) =>
    select.replaceChildren(...Object.entries(names).map(([value, name]) => el("option", { value }, name)));

async function ask() {
    strategy = byId("strategy").value;
    const share = byId("share").value;
    const query = share === ONLY ? { strategy: "random", random_share: 0 } : { strategy, random_share: Number(share) };
    try {
        accept(await post("api/query", query));
    } catch (error) {
        refused(`The questions stay as they were: ${sentence(error.message)}`);
        drawQuery(store.state.query);
    }
}

function drawQuery(query) {
    const only = query.strategy === "random";
    if (!only) strategy = query.strategy;
    const share = only ? ONLY : String(query.random_share);
    const shares = byId("share");
    if (![...shares.options].some((option) => option.value === share)) {
        shares.append(el("option", { value: share }, percent(query.random_share)));
    }
    shares.value = share;
    byId("strategy").value = strategy;
    byId("strategy").disabled = only;
}

function draw(state) {
    const { progress, finds } = state;
    drawQuery(state.query);
    const stop = byId("stop");
    // The same words again would be read out again.
    if (stop.textContent !== (state.stop_message ?? "")) stop.textContent = state.stop_message ?? "";
    const facts = [found(progress), expected(progress), left(state), drawn(progress)].filter((fact) => fact !== null);
    const hinted = byId("ask-random") !== null && byId("ask-random") === document.activeElement;
    show(
        byId("progress-facts"),
        el("div", { class: "found" }, curve(finds, progress.answered), el("ul", {}, ...facts.map((fact) => el("li", {}, fact)))),
        el("p", { class: "soft small" }, heldOut(store.session.held_out)),
    );
    // Where the hint leads, if it is gone.
    if (hinted) (byId("ask-random") ?? byId("share")).focus({ preventScroll: true });
}

function found({ anomalies, answered, unsure, table_anomalies: before, table_normals: normal }) {
    const marked = before + normal > 0 ? `, besides ${counted(before + normal, "label")} of the table` : "";
    const not = unsure > 0 ? ` (${count(unsure)} unsure)` : "";
    return [el("strong", {}, counted(anomalies, "anomaly", "anomalies")), ` in ${counted(answered, "answer")}${not}${marked}`];
}

function expected({ expected_finds: finds }) {
    if (finds === null) return "Expected finds: known after five answers";
    return ["About ", el("strong", {}, finds.toFixed(1)), " more in the next ten"];
}

function left({ progress: { left: known, stop }, query }) {
    const random = query.strategy === "random" || query.random_share > 0;
    if (!known) return ["How many are left is not known: ", random ? "it will be after some random rows" : askRandom()];
    const whole = (number) => count(Math.round(number));
    return [
        "About ",
        el("strong", {}, whole(known.estimate)),
        ` left to find; 95 % interval ${whole(known.low)} to ${whole(known.high)}`,
        stop?.["few-expected"] && !random && ["; to know better, ", askRandom()],
    ];
}

/** Leads to the choice of how many random rows are asked. */
function askRandom() {
    const lead = () => byId("share").focus();
    return el("button", { type: "button", id: "ask-random", class: "link", onclick: lead }, "ask some random rows");
}

function drawn({ drawn: random, answered }) {
    return random > 0 ? `${counted(random, "random row")} among the answers (${percent(random / answered)})` : null;
}

const WIDTH = 150;
const HEIGHT = 56;

/** The anomalies found by each answer, as steps. */
function curve(finds, answered) {
    const x = (answer) => ((WIDTH * answer) / Math.max(1, answered)).toFixed(1);
    const y = (number) => (HEIGHT - (HEIGHT * number) / Math.max(1, finds.length)).toFixed(1);
    const steps = finds.map((answer, at) => `H${x(answer)} V${y(at + 1)}`).join(" ");
    const name = `Curve of finds: ${counted(finds.length, "anomaly", "anomalies")} after ${counted(answered, "answer")}.`;
    return svg(
        "svg",
        { class: "curve", role: "img", "aria-label": name, viewBox: `-2 -3 ${WIDTH + 4} ${HEIGHT + 18}` },
        svg("path", { class: "axes", d: `M0 0 V${HEIGHT} H${WIDTH}` }),
        svg("path", { class: "steps", d: `M0 ${HEIGHT} ${steps} H${WIDTH}` }),
        svg("text", { x: 0, y: HEIGHT + 12 }, "0"),
        svg("text", { x: WIDTH, y: HEIGHT + 12, class: "end" }, counted(answered, "answer")),
        svg("text", { x: 4, y: 7 }, `${count(finds.length)} found`),
    );
}
