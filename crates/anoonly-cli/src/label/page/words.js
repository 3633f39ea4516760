// Numbers and answers in words.

export const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");

export const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A share from 0 to 1 as text. What is not all is never rounded to 100 %, and what is not nothing never to 0 %. */
export function percent(share) {
    if (share <= 0) return "0 %";
    if (share < 0.001) return "under 0.1 %";
    if (share < 1 && share > 0.999) return "over 99.9 %";
    return `${Number((100 * share).toFixed(1))} %`;
}

/** As `anoonly explain` shows scores. */
export const short = (score) => minus(Math.abs(score) < 1e6 ? score.toFixed(2) : score.toExponential(4));

export const signed = (part) => (part >= 0 ? `+${short(part)}` : short(part));

const minus = (text) => text.replace("-", "−");

export function ordinal(number) {
    const rest = number % 100;
    const ending = rest > 10 && rest < 14 ? "th" : ["th", "st", "nd", "rd"][number % 10] ?? "th";
    return `${count(number)}${ending}`;
}

/** The sign is a shape, so that colour is never the only difference. */
export const SIGNS = { anomaly: "◆", normal: "○", unsure: "?" };

const REASONS = {
    "highest-score": "Asked because its score is the highest without an answer.",
    "spread-out": "Asked because its score is high and it differs from other rows asked.",
    "near-threshold": "Asked because its score is near the border between yes and no.",
    "drawn-at-random": "Drawn at random, to estimate how many anomalies are left.",
    "taken-back": "Its answer was taken back.",
};

export const because = (reason) => REASONS[reason] ?? "Opened from the list.";

/** Where a value lies among all rows. */
export function placeWords(place, profile) {
    if (!place) return "";
    if (place.kind === "category") {
        const rank = place.frequency_rank === 1 ? "the most frequent" : `${ordinal(place.frequency_rank)} most frequent`;
        const all = profile?.distinct ? ` of ${count(profile.distinct)}` : "";
        return `${percent(place.share)} of rows (${count(place.rows)}), ${rank}${all}`;
    }
    const same = Math.max(0, 1 - place.lower - place.higher);
    const shared = same >= 0.05 ? `, like ${percent(same)} of rows` : "";
    if (place.higher === 0 && place.lower === 0) return "the same in all rows";
    if (place.higher === 0) return `the highest${shared}`;
    if (place.lower === 0) return `the lowest${shared}`;
    if (place.lower >= place.higher) return `above ${percent(place.lower)}${shared}`;
    return `below ${percent(place.higher)}${shared}`;
}

/** A condition on a column, for a chip. */
export function conditionWords({ column, test, value, values, text }) {
    if (text) return text;
    switch (test) {
        case "above": return `${column} > ${value}`;
        case "at-most": return `${column} ≤ ${value}`;
        case "in": return `${column} in {${values.join(", ")}}`;
        case "missing": return `${column} is missing`;
        default: return `${column} is present`;
    }
}
