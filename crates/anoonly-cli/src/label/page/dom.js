// Builders of elements. Text always becomes a text node, so no cell of a table can become markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children. `null` and `false` are left out; a key that begins with `on` is a listener. */
export function el(tag, attributes = {}, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(tag, attributes = {}, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

/** Replaces the children, leaving the element alone if they look the same: screen readers and selections keep their place. */
export function show(element, ...children) {
    const next = el("div", {}, ...children);
    if (element.childNodes.length && sameContent(element, next)) return;
    element.replaceChildren(...next.childNodes);
}

function sameContent(a, b) {
    if (a.childNodes.length !== b.childNodes.length) return false;
    return [...a.childNodes].every((child, at) => child.isEqualNode(b.childNodes[at]));
}

/** Text of a table: isolated, so that its direction and its control characters affect nothing around it. */
export const cell = (text) => el("bdi", { class: "cell" }, text);

export const hidden = (text) => el("span", { class: "sr" }, text);
