// What the page knows of the session: facts that never change, and the newest state that the server sent.

export const store = { session: null, state: null };

/** The columns that the rows of the list have: of a wide table, only the first ones. */
export const listedColumns = () => store.session.columns.slice(0, store.session.listed ?? undefined);

const listeners = [];

/** Calls `listener(state, before)` with each newer state. */
export const onState = (listener) => listeners.push(listener);

/** Takes a state from any answer of the server. Answers may arrive out of order, so an older one is ignored. */
export function accept(state) {
    const before = store.state;
    if (before && state.version <= before.version) return;
    store.state = state;
    for (const listener of listeners) listener(state, before ?? state);
}

/** Whether the ranking is another one than before. */
export const refitted = (state, before) => state.fit.number !== before.fit.number;
