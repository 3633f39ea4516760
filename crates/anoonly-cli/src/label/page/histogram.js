// Where a value lies among all rows, as a small drawing. It repeats what the words beside it say, so screen readers skip it.

import { svg } from "./dom.js";

const WIDTH = 104;
const HEIGHT = 18;
const MARK = 5;

/** The drawing of a `value` at `place`, or null if its column has no profile. */
export function histogram(profile, place, value) {
    if (profile?.kind === "numbers") return bars(numberBars(profile), numberMark(profile, place));
    if (profile?.kind === "categories")
        return bars(
            profile.most_frequent.map(({ rows }) => rows),
            categoryMark(profile, place, value),
        );
    return null;
}

/** The bins, with what lies below and above them as a bar of its own at either end. */
const numberBars = ({ counts, below, above }) => [below, ...counts, above];

function numberMark({ counts }, place) {
    if (place?.kind !== "number" || place.bin === null) return null;
    if (place.bin === "below") return 0;
    return place.bin === "above" ? counts.length + 1 : place.bin + 1;
}

/** Categories from the most frequent to the rarest; one that has no bar is marked at the end. */
function categoryMark({ most_frequent: bars }, place, value) {
    if (place?.kind !== "category") return null;
    // Equally frequent ones share their rank, so the value decides.
    const bar = bars.findIndex((frequent) => frequent.value === value);
    return bar >= 0 ? bar : bars.length;
}

function bars(counts, mark) {
    const places = Math.max(counts.length, (mark ?? 0) + 1);
    const width = Math.min(WIDTH / places, 12);
    const largest = Math.max(1, ...counts);
    // Square roots keep a few rare rows visible beside thousands of common ones.
    const height = (rows) => (rows > 0 ? Math.max(1.5, HEIGHT * Math.sqrt(rows / largest)) : 0);
    const bar = (rows, at) => {
        const [wide, high] = [(width * 0.86).toFixed(2), height(rows).toFixed(2)];
        return `M${(at * width).toFixed(2)} ${MARK + HEIGHT} v-${high} h${wide} v${high} z`;
    };
    const middle = (mark ?? 0) * width + width * 0.43;
    return svg(
        "svg",
        { class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT + MARK + 1}`, "aria-hidden": "true" },
        svg("line", { class: "foot", x1: 0, x2: WIDTH, y1: HEIGHT + MARK + 0.5, y2: HEIGHT + MARK + 0.5 }),
        // One element for all bars: a row may have many columns, and has to be there at once.
        svg("path", { class: "bin", d: counts.map(bar).join("") }),
        mark === null
            ? null
            : [
                  mark < counts.length && svg("path", { class: "here marked", d: bar(counts[mark], mark) }),
                  svg("path", { class: "here", d: `M${middle - 4} 0 h8 l-4 ${MARK} z` }),
                  svg("line", { class: "here", x1: middle, x2: middle, y1: MARK - 1, y2: HEIGHT + MARK }),
              ],
    );
}
