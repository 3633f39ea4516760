// The rows of the list: pages of them, fetched when they come into view.

import { post } from "./api.js";

const PAGE = 100;

export class Rows {
    /** `changed()` is called when rows arrived, `failed(error)` when they could not be fetched. */
    constructor(changed, failed) {
        this.changed = changed;
        this.failed = failed;
        this.total = 0;
        this.matching = 0;
        this.query = null;
        this.pages = new Map();
        this.wanted = [0, 0];
        // Pages with another stamp are out of date. They stay in sight until the new ones are there.
        this.stamp = {};
        this.shown = null;
        this.loading = false;
    }

    /** Asks for other rows. */
    ask(query) {
        this.query = query;
        this.wanted = [0, 0];
        this.refresh();
    }

    /** Something changed on the server. */
    refresh() {
        this.stamp = {};
        this.load();
    }

    /** The row at a place of the list, or undefined while it is not known. */
    at(place) {
        return this.pages.get(Math.floor(place / PAGE))?.rows[place % PAGE];
    }

    /** Says which places are in view. */
    want(first, last) {
        this.wanted = [Math.floor(first / PAGE), Math.floor(last / PAGE)];
        this.load();
    }

    /** Fetches what is missing or old, one request at a time: only the newest view matters. */
    async load() {
        if (this.loading || !this.query) return;
        const page = this.missing();
        if (page === null) return;
        this.loading = true;
        const { stamp, query } = this;
        try {
            const found = await fetchRows(query, page * PAGE, PAGE);
            if (query === this.query) this.take(page, found, stamp);
            this.loading = false;
        } catch (error) {
            this.loading = false;
            return this.failed(error);
        }
        this.load();
    }

    missing() {
        for (let page = this.wanted[0]; page <= this.wanted[1]; page += 1) {
            if (this.pages.get(page)?.stamp !== this.stamp) return page;
        }
        return null;
    }

    take(page, found, stamp) {
        if (this.shown !== this.query) this.pages.clear();
        this.shown = this.query;
        this.total = found.total;
        this.matching = found.matching;
        this.pages.set(page, { stamp, rows: found.rows });
        // Out-of-date pages far from the view would come back into sight as they were.
        for (const [other, { stamp: old }] of this.pages) {
            if (old !== this.stamp && (other < this.wanted[0] || other > this.wanted[1])) this.pages.delete(other);
        }
        this.changed();
    }
}

/** Rows of a query `{filter, sort}` from a place on. */
export const fetchRows = (query, from, count) => post("api/rows", { ...query, from, count });
