import { type Axis, linearAxis, logarithmicAxis, positionAxis, widest } from "./axis.js";
import { type Html, html } from "./html.js";
import { figure } from "./words.js";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What belongs together in a plot: the points of one line, or one cloud of dots. */
export interface Series {
  readonly name: string;
  /** CSS class that gives the colour: of training and held-out samples, or one of `tone`. */
  readonly style: string;
  /** Those that cannot be drawn (NaN, ∞, on a logarithmic axis what is not above 0) are left out. */
  readonly points: readonly Point[];
}

/** Lines and dots over two axes. */
export interface Plot {
  readonly title: string;
  /** What the horizontal axis shows. */
  readonly across: string;
  /** Whether `x` counts something (epochs, steps): whole-numbered ticks, and nothing beyond the first and last position. */
  readonly counts?: boolean;
  readonly lines: readonly Series[];
  readonly dots?: readonly Series[];
  /** Whether equal factors are equal heights; only values above 0 are drawn. */
  readonly logarithmic?: boolean;
}

/** Colours for series of one kind: the i-th, of which the second four are dashed. */
export const tone = (i: number): string => `tone${i % 8}`;

const lineHeight = 14;
/** Points of a line that are also dots, to be pointed at. */
const mostDots = 60;
/** Lines that have room for a label at their end; more have a legend, and a higher plot. */
const mostLabels = 3;
const heights = { labelled: 230, crowded: 320 };

/**
 * A plot as SVG that takes its colours from the page and its width from its place: horizontal positions are percentages
 * of the plot's width, all other sizes pixels, so that text keeps its size.
 */
export function plot({ title, across, counts, lines, dots = [], logarithmic = false }: Plot): Html {
  const isDrawn = ({ x, y }: Point) => Number.isFinite(x) && Number.isFinite(y) && !(logarithmic && y <= 0);
  const drawable = (all: readonly Series[]) =>
    all
      .map((one) => ({ ...one, points: one.points.filter(isDrawn) }))
      .filter(({ points }) => points.length > 0);
  const [drawnLines, drawnDots] = [drawable(lines), drawable(dots)];
  const all = [...drawnLines, ...drawnDots].flatMap(({ points }) => points);
  if (all.length === 0) {
    const none = logarithmic ? "Never a finite number above 0." : "Never a finite number.";
    return html`<figure class="chart"><figcaption>${title}</figcaption><p class="soft">${none}</p></figure>`;
  }
  const [left, right] = rangeOf([...lines, ...dots].flatMap(({ points }) => points.map(({ x }) => x)));
  const [low, high] = rangeOf(all.map(({ y }) => y));
  const axes = {
    x: counts === true ? positionAxis(left, right) : linearAxis(left, right, 6),
    y: logarithmic ? logarithmicAxis(low, high) : linearAxis(low, high, 5),
  };
  const isLabelled = drawnDots.length === 0 && drawnLines.length <= mostLabels;
  const height = drawnLines.length <= mostLabels ? heights.labelled : heights.crowded;
  const frame: Frame = {
    height,
    across: (x) => round(100 * axes.x.place(x)),
    down: (y) => round(height * (1 - axes.y.place(y))),
  };
  const labels = isLabelled ? endLabels(drawnLines, frame) : [];
  const place = ({ x, y }: Point) => ({ x: frame.across(x), y: frame.down(y) });
  const path = (points: readonly Point[]) =>
    points
      .map(place)
      .map(({ x, y }) => `${x},${y}`)
      .join(" ");

  return html`<figure class="chart">
<figcaption>${title}</figcaption>
${isLabelled ? "" : legend(drawnLines, drawnDots, counts === true)}
<div class="plot" style="padding: 0 ${12 + widest(labels.flatMap(({ texts }) => texts))}px 0 ${10 + widest(axes.y.texts)}px">
<svg height="${height}" role="img" aria-label="${title} by ${across}">
${grid(axes, frame, across)}
${drawnDots.map(
  ({ style, points }) =>
    html`<g class="${style} cloud">${points.map(place).map(({ x, y }) => html`<circle cx="${x}%" cy="${y}" r="3"/>`)}</g>`,
)}
<svg viewBox="0 0 100 ${height}" preserveAspectRatio="none">${drawnLines.map(
    ({ name, style, points }) =>
      html`<polyline class="${style}" vector-effect="non-scaling-stroke" points="${path(points)}"><title>${name}</title></polyline>`,
  )}</svg>
${drawnLines.flatMap(({ style, name, points }) =>
  !isLabelled || points.length > mostDots
    ? []
    : points.map((point) => {
        const { x, y } = place(point);
        return html`<circle class="${style}" cx="${x}%" cy="${y}" r="3"><title>${name}, ${across} ${point.x}: ${figure(point.y)}</title></circle>`;
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

/** Where values are drawn. */
interface Frame {
  /** Pixels. */
  readonly height: number;
  /** Percent of the plot's width. */
  across(x: number): number;
  /** Pixels from the plot's top. */
  down(y: number): number;
}

function grid({ x, y }: { readonly x: Axis; readonly y: Axis }, frame: Frame, across: string): Html {
  const { height } = frame;
  const rows = y.ticks.map((tick, i) => {
    const at = frame.down(tick);
    return html`<line x2="100%" y1="${at}" y2="${at}"/><text x="-8" y="${at + 4}" text-anchor="end">${y.texts[i] ?? ""}</text>`;
  });
  const columns = x.ticks.map(
    (tick, i) =>
      html`<text${i % 2 === 1 ? html` class="second"` : ""} x="${frame.across(tick)}%" y="${height + 18}" text-anchor="middle">${x.texts[i] ?? ""}</text>`,
  );
  return html`<g class="grid">${rows}${columns}<text x="50%" y="${height + 36}" text-anchor="middle">${across}</text></g>`;
}

/** Names and colours above the plot, lines with the value at their end where they tell a course. */
function legend(lines: readonly Series[], dots: readonly Series[], ends: boolean): Html {
  const line = html`<svg class="key" viewBox="0 0 24 10"><polyline points="1,5 23,5"/></svg>`;
  const dot = html`<svg class="key cloud" viewBox="0 0 24 10"><circle cx="12" cy="5" r="4"/></svg>`;
  const entry = (key: Html, { name, style, points }: Series) => {
    const end = points.at(-1);
    const value = ends && end !== undefined ? html` <span class="soft">${figure(end.y)}</span>` : "";
    return html`<li class="${style}">${key}${name}${value}</li>`;
  };
  return html`<ul class="legend">${dots.map((one) => entry(dot, one))}${lines.map((one) => entry(line, one))}</ul>`;
}

interface Label {
  readonly style: string;
  readonly texts: readonly string[];
  readonly y: number;
}

/** The name and the last value of each line; one that is alone is known by the title. */
function endLabels(lines: readonly Series[], frame: Frame): Label[] {
  return spread(
    lines.map(({ style, name, points }) => {
      const end = points.at(-1)?.y ?? 0;
      const texts = [...(lines.length === 1 ? [] : [name]), figure(end)];
      return { style, texts, y: frame.down(end) };
    }),
    frame.height,
  );
}

/** Keeps labels (each of two lines, `y` its middle) within the plot, and moves those apart that would overlap. */
function spread(labels: readonly Label[], height: number): Label[] {
  const within = (y: number, below = 0) => Math.min(Math.max(y, lineHeight / 2), height - lineHeight - below);
  const sorted = labels.map((label) => ({ ...label, y: within(label.y) })).sort((a, b) => a.y - b.y);
  const needed = 2 * lineHeight + 2;
  if (!sorted.some(({ y }, i) => i > 0 && y - (sorted[i - 1]?.y ?? 0) < needed)) return sorted;
  const length = (sorted.length - 1) * needed;
  const middle = sorted.reduce((sum, { y }) => sum + y, 0) / sorted.length;
  const top = within(middle - length / 2, length);
  return sorted.map((label, i) => ({ ...label, y: top + i * needed }));
}

/** Without spreading the values over the arguments of a call, of which there can be only so many. */
function rangeOf(values: readonly number[]): readonly [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
