// Rows and the reasons for their scores, fetched ahead so that the next row is there when the last one was answered.

import { get } from "./api.js";
import { store } from "./store.js";

const DETAILS_AHEAD = 4;
const REASONS_AHEAD = 3;

class Cache {
    constructor(path) {
        this.path = path;
        this.entries = new Map();
    }

    /** What is known of a row under the ranking at hand, or null. */
    peek(row) {
        const entry = this.entries.get(row);
        return entry?.fit === store.state.fit.number ? entry.value : null;
    }

    /** Whether it was fetched, or is being fetched, since the last answer. */
    current(row, answersMatter) {
        const entry = this.entries.get(row);
        return entry?.fit === store.state.fit.number && (!answersMatter || entry.answers === store.state.answers);
    }

    fetch(row) {
        const known = this.peek(row);
        const entry = { fit: store.state.fit.number, answers: store.state.answers, value: known };
        this.entries.set(row, entry);
        entry.promise = get(this.path(row)).then(
            (value) => {
                entry.value = value;
                return value;
            },
            (error) => {
                if (this.entries.get(row) === entry) this.entries.delete(row);
                throw error;
            },
        );
        return entry.promise;
    }

    /** Waits for a request that is on its way, or makes one. */
    wait(row) {
        return this.current(row, false) ? this.entries.get(row).promise : this.fetch(row);
    }

    keep(rows) {
        for (const row of this.entries.keys()) if (!rows.has(row)) this.entries.delete(row);
    }
}

export const details = new Cache((row) => `api/rows/${row}`);
export const reasons = new Cache((row) => `api/rows/${row}/reasons`);

let explaining = false;

/** Fetches what the rows to be asked next need. `hand` is kept as well. */
export function prefetch(hand, next) {
    const kept = new Set([hand, ...next]);
    details.keep(kept);
    reasons.keep(kept);
    for (const row of next.slice(0, DETAILS_AHEAD)) {
        // Each answer may be the nearest of these rows.
        if (!details.current(row, true)) details.fetch(row).catch(() => {});
    }
    explain(next.slice(0, REASONS_AHEAD));
}

/** Reasons may take long, and the refit needs the processor too: one at a time, and none that is no longer wanted. */
async function explain(rows) {
    if (explaining) return;
    const row = rows.find((row) => !reasons.current(row, false));
    if (row === undefined) return;
    explaining = true;
    const done = await reasons.fetch(row).then(
        () => true,
        () => false,
    );
    explaining = false;
    if (done && again) again();
}

let again = null;

/** `listener()` is called when there is time for the next reasons. */
export const onExplained = (listener) => {
    again = listener;
};
