// Requests to the server. All addresses are relative: the page's own address has the token.

/** The server answered with an error. `state` is there if a conflict is the reason. */
export class Refusal extends Error {
    constructor(status, body) {
        super(body?.error ?? `The program answered with status ${status}.`);
        this.status = status;
        this.state = body?.state ?? null;
    }

    /** Whether sending the same again can succeed. 403 is what a program that was started again answers: nothing may be dropped. */
    get passing() {
        return this.status >= 500 || this.status === 403;
    }
}

/** The server cannot be reached. */
export class Unreachable extends Error {}

async function request(path, options) {
    let response;
    let body;
    try {
        response = await fetch(path, { cache: "no-store", ...options });
        body = await response.json();
    } catch (error) {
        if (options.signal?.aborted && error.name === "AbortError") throw error;
        if (response && !response.ok) throw new Refusal(response.status, null);
        throw new Unreachable(error.message);
    }
    if (!response.ok) throw new Refusal(response.status, body);
    return body;
}

export const get = (path, signal) => request(path, { signal });

export const post = (path, body) =>
    request(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
