// Numbers and answers in words.

export const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A share from 0 to 1 as text. What is not all is never rounded to 100 %, and what is not nothing never to 0 %. */
export function percent(share) {
    if (share <= 0) return "0\u00a0%";
    if (share < 0.001) return "under 0.1\u00a0%";
    if (share < 1 && share > 0.999) return "over 99.9\u00a0%";
    return `${Number((100 * share).toFixed(1))}\u00a0%`;
}

/** As `anoonly explain` shows scores. */
export const short = (score) => minus(Math.abs(score) < 1e6 ? score.toFixed(2) : score.toExponential(4));

export const signed = (part) => (part >= 0 ? `+${short(part)}` : short(part));

const minus = (text) => text.replace("-", "−");

export function ordinal(number) {
    const rest = number % 100;
    const ending = rest > 10 && rest < 14 ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
    return `${count(number)}${ending}`;
}

/** A message of the server as a sentence. */
export const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);

/** The sign is a shape, so that colour is never the only difference. */
export const SIGNS = { anomaly: "◆", normal: "○", unsure: "?" };

const REASONS = {
    "highest-score": "Asked: highest score without an answer.",
    "spread-out": "Asked: high score, unlike the other rows asked.",
    "near-threshold": "Asked: score near the border between yes and no.",
    "drawn-at-random": "Asked: drawn at random, to estimate how many are left.",
    "taken-back": "Asked again.",
};

export const because = (reason) => REASONS[reason] ?? "Opened from the list.";

/** What the drawing of the column shows besides, for those who do not see it. */
export function placeDetails(place, profile) {
    if (place.kind === "number") return `most values lie from ${profile.from} to ${profile.to}`;
    const rank = place.frequency_rank === 1 ? "the most frequent" : `${ordinal(place.frequency_rank)} most frequent`;
    return `${counted(place.rows, "row")}, ${rank} of ${counted(profile.distinct, "category", "categories")}`;
}

/** A condition on a column, for a chip. Times are seconds since 1970. */
export function conditionWords({ column, test, value, values }, kind) {
    const bound = kind === "time" ? moment(value) : Number(value?.toPrecision(6));
    switch (test) {
        case "above":
            return `${column} > ${bound}`;
        case "at-most":
            return `${column} ≤ ${bound}`;
        case "in":
            return `${column} in {${values.join(", ")}}`;
        case "missing":
            return `${column} is missing`;
        default:
            return `${column} is present`;
    }
}

const moment = (seconds) => new Date(1000 * seconds).toISOString().slice(0, 16).replace("T", " ").replace(" 00:00", "");
