// The header of the list: buttons that sort it. One of them can be reached with Tab, the others with the arrow keys.

import { cell, el } from "./dom.js";

/** The cells: `data-by` and `data-column` say what a button sorts by. */
export function headerCells(columns) {
    const header = (name, by, column = null, number = false) =>
        el(
            "div",
            { role: "columnheader", "aria-sort": "none", class: number ? "number" : null },
            el(
                "button",
                { type: "button", tabindex: -1, "data-by": by, "data-column": column, "data-number": String(number) },
                cell(name),
            ),
        );
    return [
        header("rank", "rank", null, true),
        header("change", "change", null, true),
        el("div", { role: "columnheader" }, el("span", {}, "answer")),
        header("row", "row", null, true),
        ...columns.map(({ name, kind }) => header(name, "column", name, kind === "number")),
    ];
}

/** `sorted(sort)` is called when a button is pressed, `down()` when the focus leaves towards the rows. */
export function startHeader(head, first, sorted, down) {
    const buttons = [...head.querySelectorAll("button")];
    let sort = first;
    mark(buttons, sort);
    buttons[0].tabIndex = 0;
    head.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (!button) return;
        sort = next(button, sort);
        mark(buttons, sort);
        sorted(sort);
    });
    head.addEventListener("focusin", (event) => {
        for (const button of buttons) button.tabIndex = button === event.target ? 0 : -1;
    });
    head.addEventListener("keydown", (event) => {
        const at = buttons.indexOf(event.target);
        const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 };
        if (event.key === "ArrowDown") down();
        else if (event.key in moves) buttons[Math.max(0, Math.min(moves[event.key], buttons.length - 1))].focus();
        else return;
        event.preventDefault();
    });
}

/** The same button again turns the order around. Numbers and changes begin with the largest. */
function next(button, sort) {
    const { by, column, number } = button.dataset;
    const again = sort.by === by && (by !== "column" || sort.column === column);
    const largest = by === "change" || (by === "column" && number === "true");
    const wanted = { by, descending: again ? !sort.descending : largest };
    return by === "column" ? { ...wanted, column } : wanted;
}

function mark(buttons, sort) {
    for (const button of buttons) {
        const { by, column } = button.dataset;
        const here = sort.by === by && (by !== "column" || sort.column === column);
        button.parentElement.setAttribute("aria-sort", !here ? "none" : sort.descending ? "descending" : "ascending");
    }
}
