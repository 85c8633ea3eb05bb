import { type Html, html } from "./html.js";

/** One line of a chart: `null` and NaN are left out. */
export interface Series {
  readonly name: string;
  /** CSS class that gives the colour. */
  readonly style: "train" | "heldOut";
  readonly values: readonly (number | null)[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const height = 230;
const mostDots = 60;
/** Of a digit, at the size of the text in charts, in pixels; most letters are narrower. */
const digitWidth = 7.5;
const lineHeight = 14;
/** The plot is at least this wide in pixels where it has all its ticks; on narrower screens the page hides every other one. */
const leastWidth = 260;

/**
 * Lines over whole-numbered positions (epochs, steps), as SVG that takes its colours from the page and its width from
 * its place: positions are percentages of the plot's width, all other sizes pixels, so that text keeps its size.
 */
export function lineChart(
  title: string,
  unit: string,
  positions: readonly number[],
  series: readonly Series[],
): Html {
  const lines = series
    .map((one) => ({ ...one, points: pointsOf(positions, one.values) }))
    .filter(({ points }) => points.length > 0);
  const all = lines.flatMap(({ points }) => points);
  if (all.length === 0) {
    return html`<figure class="chart"><figcaption>${title}</figcaption><p class="soft">Never a finite number.</p></figure>`;
  }
  const yTicks = niceTicks(Math.min(...all.map(({ y }) => y)), Math.max(...all.map(({ y }) => y)), 5);
  const yTexts = tickTexts(yTicks);
  const [low = 0, high = 1] = [yTicks[0], yTicks.at(-1)];
  const [first = 0, last = 1] = [positions[0], positions.at(-1)];
  /** Percent of the width, pixels from the top. */
  const place = ({ x, y }: Point): Point => ({
    x: round(last === first ? 50 : (100 * (x - first)) / (last - first)),
    y: round((height * (high - y)) / (high - low)),
  });
  const xTicks = positionTicks(first, last);
  const labels = spread(
    lines.map(({ style, name, points }) => {
      const end = points.at(-1) ?? { x: last, y: low };
      // A line that is alone is known by the title.
      const texts = [...(lines.length === 1 ? [] : [name]), figure(end.y)];
      return { style, texts, y: place(end).y };
    }),
  );
  const left = 10 + widest(yTexts);
  const right = 12 + widest(labels.flatMap(({ texts }) => texts));

  return html`<figure class="chart">
<figcaption>${title}</figcaption>
<div style="padding: 0 ${right}px 0 ${left}px">
<svg height="${height}" role="img" aria-label="${title} by ${unit}">
<g class="grid">${yTicks.map((tick, i) => {
    const { y } = place({ x: first, y: tick });
    return html`<line x2="100%" y1="${y}" y2="${y}"/><text x="-8" y="${y + 4}" text-anchor="end">${yTexts[i] ?? ""}</text>`;
  })}${xTicks.map(
    (tick, i) =>
      html`<text${i % 2 === 1 ? html` class="second"` : ""} x="${place({ x: tick, y: low }).x}%" y="${height + 18}" text-anchor="middle">${tick.toLocaleString("en")}</text>`,
  )}<text x="50%" y="${height + 36}" text-anchor="middle">${unit}</text></g>
<svg viewBox="0 0 100 ${height}" preserveAspectRatio="none">${lines.map(
    ({ style, points }) =>
      html`<polyline class="${style}" vector-effect="non-scaling-stroke" points="${points
        .map((point) => place(point))
        .map(({ x, y }) => `${x},${y}`)
        .join(" ")}"/>`,
  )}</svg>
${lines.flatMap(({ style, name, points }) =>
  points.length > mostDots
    ? []
    : points.map((point) => {
        const { x, y } = place(point);
        return html`<circle class="${style}" cx="${x}%" cy="${y}" r="3"><title>${name}, ${unit} ${point.x}: ${figure(point.y)}</title></circle>`;
      }),
)}
${labels.map(({ style, texts, y }) =>
  texts.map(
    (text, i) =>
      html`<text class="${style} label" x="100%" dx="10" y="${round(y + 4 + (i - (texts.length - 1) / 2) * lineHeight)}">${text}</text>`,
  ),
)}
</svg>
</div>
</figure>`;
}

/** A number with four significant digits, or all digits of a whole number below ten million. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return value.toLocaleString("en");
  if (size >= 1e-4 && size < 1e6)
    return value.toLocaleString("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
  return Number.isFinite(value) ? exponential(value, 3) : String(value);
}

/**
 * Round numbers (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`: about `count`.
 * Values that are equal but for rounding lie between the outer ones.
 */
export function niceTicks(low: number, high: number, count: number): number[] {
  const size = Math.max(Math.abs(low), Math.abs(high));
  const isFlat = high - low <= 1e-9 * size;
  const rough = isFlat ? size || 1 : (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough) + 1e-9);
  const step = isFlat ? power : ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10) * power;
  let start = Math.floor(low / step + 1e-9);
  let end = Math.ceil(high / step - 1e-9);
  if (start >= end) [start, end] = [start - 1, start + 1];
  return Array.from({ length: end - start + 1 }, (_, i) => Number(((start + i) * step).toPrecision(12)));
}

/** Round whole numbers from `first` to `last`, as many as there is room for; the two themselves where no round one is between. */
function positionTicks(first: number, last: number): number[] {
  const room = digitWidth * last.toLocaleString("en").length + 16;
  const round = niceTicks(first, last, Math.min(8, Math.floor(leastWidth / room))).filter(
    (x) => Number.isInteger(x) && x >= first && x <= last,
  );
  return round.length > 0 ? round : [...new Set([first, last])];
}

/** Ticks with the digits that tell them apart, in powers of ten where that is shorter than a long row of digits. */
export function tickTexts(ticks: readonly number[]): string[] {
  const [first = 0, second = 1] = ticks;
  const digit = Math.floor(Math.log10(second - first) + 1e-6); // the power of ten of the last digit that is needed
  const digits = Math.min(20, Math.max(0, -digit));
  const fixed = ticks.map((tick) =>
    tick.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
  );
  const powers = ticks.map((tick) =>
    tick === 0 ? "0" : exponential(tick, Math.max(0, Math.floor(Math.log10(Math.abs(tick)) + 1e-9) - digit)),
  );
  return widest(fixed) > 8 * digitWidth && widest(powers) < widest(fixed) ? powers : fixed;
}

const exponential = (value: number, digits: number): string =>
  value.toExponential(Math.min(100, digits)).replace("e+", "e");

const widest = (texts: readonly string[]): number =>
  Math.ceil(digitWidth * Math.max(...texts.map(({ length }) => length)));

function pointsOf(positions: readonly number[], values: readonly (number | null)[]): Point[] {
  return positions.flatMap((x, i) => {
    const y = values[i];
    return typeof y === "number" && Number.isFinite(y) ? [{ x, y }] : [];
  });
}

/** Keeps labels (each of two lines, `y` its middle) within the plot, and moves those apart that would overlap. */
function spread<L extends { readonly y: number }>(labels: readonly L[]): L[] {
  const within = (y: number, below = 0) => Math.min(Math.max(y, lineHeight / 2), height - lineHeight - below);
  const sorted = labels.map((label) => ({ ...label, y: within(label.y) })).sort((a, b) => a.y - b.y);
  const needed = 2 * lineHeight + 2;
  if (!sorted.some(({ y }, i) => i > 0 && y - (sorted[i - 1]?.y ?? 0) < needed)) return sorted;
  const length = (sorted.length - 1) * needed;
  const middle = sorted.reduce((sum, { y }) => sum + y, 0) / sorted.length;
  const top = within(middle - length / 2, length);
  return sorted.map((label, i) => ({ ...label, y: top + i * needed }));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
