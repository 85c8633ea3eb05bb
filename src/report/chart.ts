import { type Html, html } from "./html.js";

/** One line of a chart: `null` or NaN leaves a gap. */
export interface Series {
  readonly name: string;
  /** CSS class that gives the colour. */
  readonly style: "train" | "validation";
  readonly values: readonly (number | null)[];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const width = 560;
const height = 300;
const frame = { left: 52, right: width - 92, top: 14, bottom: height - 40 };
const mostDots = 60;
const labelGap = 15;

/** Lines over whole-numbered positions (epochs, steps), as SVG that takes its colours from the page. */
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
  const [low = 0, high = 1] = [yTicks[0], yTicks.at(-1)];
  const [first = 0, last = 1] = [positions[0], positions.at(-1)];
  const place = ({ x, y }: Point): Point => ({
    x: frame.left + ((x - first) / Math.max(1, last - first)) * (frame.right - frame.left),
    y: frame.bottom - ((y - low) / (high - low)) * (frame.bottom - frame.top),
  });
  const xTicks = niceTicks(first, last, 8).filter((x) => Number.isInteger(x) && x >= first && x <= last);
  const labels = spread(
    lines.map((line) => ({ line, y: place(line.points.at(-1) ?? { x: last, y: low }).y })),
  );

  return html`<figure class="chart">
<figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title} by ${unit}">
<g class="grid">${yTicks.map((tick) => {
    const { y } = place({ x: first, y: tick });
    return html`<line x1="${frame.left}" x2="${frame.right}" y1="${round(y)}" y2="${round(y)}"/><text x="${frame.left - 8}" y="${round(y + 4)}" text-anchor="end">${tickText(tick, yTicks)}</text>`;
  })}${xTicks.map((tick) => {
    const { x } = place({ x: tick, y: low });
    return html`<text x="${round(x)}" y="${frame.bottom + 18}" text-anchor="middle">${tick.toLocaleString("en")}</text>`;
  })}<text x="${(frame.left + frame.right) / 2}" y="${height - 4}" text-anchor="middle">${unit}</text></g>
${lines.map(
  ({ style, points }) =>
    html`<polyline class="${style}" points="${points
      .map((point) => place(point))
      .map(({ x, y }) => `${round(x)},${round(y)}`)
      .join(" ")}"/>`,
)}
${lines.flatMap(({ style, name, points }) =>
  points.length > mostDots
    ? []
    : points.map((point) => {
        const { x, y } = place(point);
        return html`<circle class="${style}" cx="${round(x)}" cy="${round(y)}" r="3"><title>${name}, ${unit} ${point.x}: ${figure(point.y)}</title></circle>`;
      }),
)}
${labels.map(
  ({ line, y }) =>
    html`<text class="${line.style} label" x="${frame.right + 10}" y="${round(y + 4)}">${line.name}<tspan x="${frame.right + 10}" dy="13">${figure(line.points.at(-1)?.y ?? Number.NaN)}</tspan></text>`,
)}
</svg>
</figure>`;
}

/** A number with four significant digits, or all digits of a whole number. */
export function figure(value: number): string {
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1e-4 && size < 1e6)
    return value.toLocaleString("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
  return Number.isFinite(value) ? value.toExponential(3) : String(value);
}

/**
 * Round numbers (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`: about `count`.
 */
export function niceTicks(low: number, high: number, count: number): number[] {
  const span = high > low ? high - low : Math.abs(high) || 1;
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((factor) => factor * power >= rough * 0.999) ?? 10) * power;
  const start = Math.floor(low / step + 1e-9);
  const end = Math.max(start + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: end - start + 1 }, (_, i) => Number(((start + i) * step).toPrecision(12)));
}

function tickText(tick: number, ticks: readonly number[]): string {
  const digits = Math.max(...ticks.map((value) => String(value).split(".")[1]?.length ?? 0));
  return tick.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function pointsOf(positions: readonly number[], values: readonly (number | null)[]): Point[] {
  return positions.flatMap((x, i) => {
    const y = values[i];
    return typeof y === "number" && Number.isFinite(y) ? [{ x, y }] : [];
  });
}

/** Moves labels apart that would overlap (each takes two lines), keeping their order and their middle. */
function spread<L extends { readonly y: number }>(labels: readonly L[]): L[] {
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  const needed = 2 * labelGap;
  const middle = sorted.reduce((sum, { y }) => sum + y, 0) / sorted.length;
  const tight = sorted.some(({ y }, i) => i > 0 && y - (sorted[i - 1]?.y ?? 0) < needed);
  if (!tight) return sorted;
  const half = ((sorted.length - 1) * needed) / 2;
  const top = Math.min(Math.max(middle - half, frame.top), frame.bottom - 2 * half);
  return sorted.map((label, i) => ({ ...label, y: top + i * needed }));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
