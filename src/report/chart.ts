import type { Axis, Mark, Scale, Spec, SymbolShape } from "vega";
import { drawn, rendered, type Size } from "./drawing.js";
import { type Html, html } from "./html.js";
import { figure } from "./words.js";

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** What tells a series from others: its colour, and its dashes and its sign for who does not see the colour. */
export interface Look {
  /** A CSS variable of the page. */
  readonly colour: string;
  /** Lengths of dashes and of the gaps between them; empty for a line without gaps. */
  readonly dashes: readonly number[];
  readonly sign: SymbolShape;
}

/** What belongs together in a plot: the points of one line, or one cloud of dots. */
export interface Series {
  readonly name: string;
  readonly look: Look;
  /** Where one cannot be drawn (NaN, ∞, on a logarithmic axis what is not above 0) there is a gap. */
  readonly points: readonly Point[];
}

/** Lines and dots over two axes. */
export interface Plot {
  readonly title: string;
  /** What the horizontal axis shows. */
  readonly across: string;
  /** Whether `x` counts something (epochs, steps): whole-numbered ticks, and the last values beside the names. */
  readonly counts?: boolean;
  readonly lines: readonly Series[];
  readonly dots?: readonly Series[];
  /** Whether equal factors are equal heights; only values above 0 are drawn. */
  readonly logarithmic?: boolean;
  /** Where both axes begin and end; default: where the points do. */
  readonly range?: Range;
}

type Range = readonly [low: number, high: number];

/** The looks of what was measured on the samples of the training, and on others. */
export const looks = {
  training: { colour: "var(--train)", dashes: [], sign: "circle" },
  validation: { colour: "var(--held-out)", dashes: [6, 3], sign: "square" },
  test: { colour: "var(--tone2)", dashes: [2, 3], sign: "triangle-up" },
} as const satisfies Record<string, Look>;

const signs: readonly SymbolShape[] = [
  "circle",
  "square",
  "triangle-up",
  "diamond",
  "cross",
  "triangle-down",
];
const dashes: readonly (readonly number[])[] = [[], [6, 3], [2, 3], [9, 3, 2, 3]];

/** Looks for series of one kind, of which 24 are different. */
export const tone = (i: number): Look => ({
  colour: `var(--tone${i % 8})`,
  dashes: dashes[i % dashes.length] ?? [],
  sign: signs[i % signs.length] ?? "circle",
});

/** A course has a sign at every point up to this many; where lines are several, each has them at about so many places. */
const mostSigns = { alone: 60, among: 10 };

/** Dots up to this many are marks on what the lines show, and lie over them. */
const mostMarks = 3;
const isCloud = ({ points }: Series): boolean => points.length > mostMarks;

const [cloudSigns, lineSigns, fewSigns] = [
  { size: 34, opacity: 0.55 },
  { size: 34, opacity: 1 },
  { size: 140, opacity: 1 },
];

/** A plot with its title and the names of its series. */
export async function plot(given: Plot): Promise<Html> {
  const { title, across, counts = false, dots = [], logarithmic = false } = given;
  const isDrawn = ({ x, y }: Point) => Number.isFinite(x) && Number.isFinite(y) && !(logarithmic && y <= 0);
  const drawable = (all: readonly Series[]) => all.filter(({ points }) => points.some(isDrawn));
  const [lines, clouds] = [drawable(given.lines), drawable(dots)];
  const all = [...lines, ...clouds].flatMap(({ points }) => points.filter(isDrawn));
  if (all.length === 0) {
    const none = logarithmic ? "Never a finite number above 0." : "Never a finite number.";
    return html`<figure class="chart"><figcaption>${title}</figcaption><p class="soft">${none}</p></figure>`;
  }
  const ranges: Ranges = {
    x: given.range ?? rangeOf([...lines, ...clouds].flatMap(({ points }) => points.map(({ x }) => x))),
    y: given.range ?? rangeOf(all.map(({ y }) => y)),
  };
  const specOf = (size: Size): Spec => ({
    data: [
      ...clouds.map(({ points }, i) => ({ name: `cloud${i}`, values: points.filter(isDrawn).map(copied) })),
      ...lines.flatMap(({ points }, i) => [
        { name: `line${i}`, values: points.map((point) => ({ ...point, drawn: isDrawn(point) })) },
        { name: `signs${i}`, values: withSign(points, isDrawn, counts && lines.length <= 2).map(copied) },
      ]),
    ],
    scales: scalesOf(ranges, size, { counts, logarithmic, exact: given.range !== undefined }),
    axes: axesOf(ranges, size, { across, counts, logarithmic }),
    marks: [
      ...clouds.flatMap((one, i) => (isCloud(one) ? [signsOf(`cloud${i}`, one.look, cloudSigns)] : [])),
      ...lines.map(({ look }, i) => lineOf(`line${i}`, look)),
      ...lines.map(({ look }, i) => signsOf(`signs${i}`, look, lineSigns)),
      ...clouds.flatMap((one, i) => (isCloud(one) ? [] : [signsOf(`cloud${i}`, one.look, fewSigns)])),
    ],
  });
  const names = await Promise.all([
    ...clouds.map((one) => entry(one, { isLine: false, counts })),
    ...lines.map((one) => entry(one, { isLine: true, counts })),
  ]);
  const told = lines.map((one) => toldOf(one.name, one.points.filter(isDrawn), across, counts));
  return html`<figure class="chart">
<figcaption>${title}</figcaption>
<ul class="legend">${names}</ul>
${await drawn(`${title} by ${across}. ${told.join("; ")}`, specOf)}
</figure>`;
}

interface Ranges {
  readonly x: Range;
  readonly y: Range;
}

/** A point that Vega may keep. */
const copied = ({ x, y }: Point): Point => ({ x, y });

/** The points of a line that have a sign. */
function withSign(points: readonly Point[], isDrawn: (point: Point) => boolean, isCourse: boolean): Point[] {
  const isFew = isCourse && points.length <= mostSigns.alone;
  const each = isFew ? 1 : Math.ceil(points.length / mostSigns.among);
  const drawn = points.map(isDrawn);
  // A point between gaps is no line: without a sign it could not be seen.
  const isAlone = (i: number) => drawn[i - 1] !== true && drawn[i + 1] !== true;
  return points.filter((_, i) => drawn[i] === true && (isAlone(i) || i % each === 0));
}

interface AxisOptions {
  readonly counts: boolean;
  readonly logarithmic: boolean;
}

function scalesOf(
  { x, y }: Ranges,
  { ticks }: Size,
  { counts, logarithmic, exact }: AxisOptions & { readonly exact: boolean },
): Scale[] {
  const niceX = counts || exact ? false : ticks.across;
  const [low, high] = y[0] === y[1] ? [y[0] / 2, 2 * y[1]] : y;
  return [
    { name: "x", type: "linear", domain: apart(x), range: "width", zero: false, nice: niceX },
    logarithmic
      ? { name: "y", type: "log", domain: [low, high], range: "height", nice: isWide([low, high]) }
      : {
          name: "y",
          type: "linear",
          domain: apart(y),
          range: "height",
          zero: false,
          nice: exact ? false : ticks.down,
        },
  ];
}

/** The range with room around a value that is alone. */
function apart([low, high]: Range): [number, number] {
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > 1e-9 * size) return [low, high];
  const room = size === 0 ? 1 : 0.1 * size;
  return [low - room, high + room];
}

function axesOf(
  { x, y }: Ranges,
  { ticks }: Size,
  { across, counts, logarithmic }: AxisOptions & { readonly across: string },
): Axis[] {
  const only = counts && x[0] === x[1] ? { values: [x[0]] } : {};
  const decades = Math.ceil(Math.log10(y[1])) - Math.floor(Math.log10(y[0]));
  // Not more ticks than there are powers of ten are at some of these; more are at their multiples too.
  const logarithmicTicks = isWide(y) ? Math.min(decades, ticks.down) : 10;
  return [
    {
      scale: "x",
      orient: "bottom",
      title: across,
      tickCount: ticks.across,
      labelFlush: true,
      ...(counts ? { tickMinStep: 1, format: ",d" } : formatOf(x)),
      ...only,
    },
    {
      scale: "y",
      orient: "left",
      grid: true,
      ...(logarithmic ? { tickCount: logarithmicTicks } : { tickCount: ticks.down, ...formatOf(y) }),
    },
  ];
}

/** Whether values above 0 are so far apart that powers of ten are ticks enough. */
const isWide = ([low, high]: Range): boolean => high >= 30 * low;

/** Powers of ten where numbers would be long. */
function formatOf([low, high]: Range): { readonly format?: string } {
  const size = Math.max(Math.abs(low), Math.abs(high));
  return size >= 1e6 || (size > 0 && size < 1e-3) ? { format: "~e" } : {};
}

/** A mark at every point of the data, with what else it is drawn by. */
const markAt = (type: "line" | "symbol", data: string, look: object): Mark => ({
  type,
  aria: false,
  from: { data },
  encode: {
    update: { x: { scale: "x", field: "x" }, y: { scale: "y", field: "y" }, ...look },
  },
});

const lineOf = (data: string, { colour, dashes: [...dash] }: Look): Mark =>
  markAt("line", data, {
    defined: { field: "drawn" },
    stroke: { value: colour },
    strokeWidth: { value: 2 },
    strokeDash: { value: dash },
    strokeJoin: { value: "round" },
  });

const signsOf = (
  data: string,
  { colour, sign }: Look,
  { size, opacity }: { readonly size: number; readonly opacity: number },
): Mark =>
  markAt("symbol", data, {
    shape: { value: sign },
    size: { value: size },
    fill: { value: colour },
    fillOpacity: { value: opacity },
  });

/** A series by its look and its name, and the value at the end of what tells a course. */
async function entry(
  { name, look, points }: Series,
  { isLine, counts }: { readonly isLine: boolean; readonly counts: boolean },
): Promise<Html> {
  const end = points.findLast(({ y }) => Number.isFinite(y));
  const value =
    isLine && counts && end !== undefined ? html` <span class="soft">${shortest(end.y)}</span>` : "";
  return html`<li>${await key(look, isLine)}<span>${name}${value}</span></li>`;
}

/** What was set, such as a learning rate, as it was written: `0.003`. */
const shortest = (value: number): string => {
  const whole = figure(value);
  return String(value).length < whole.length ? String(value) : whole;
};

const keySize = { width: 34, height: 12 };

const key = ({ colour, dashes: [...dash], sign }: Look, isLine: boolean): Promise<Html> =>
  rendered({
    ...keySize,
    padding: 0,
    background: "transparent",
    marks: [
      {
        type: "rule",
        aria: false,
        encode: {
          update: {
            x: { value: 1 },
            x2: { value: isLine ? keySize.width - 1 : 1 },
            y: { value: keySize.height / 2 },
            stroke: { value: colour },
            strokeWidth: { value: 2 },
            strokeDash: { value: dash },
          },
        },
      },
      {
        type: "symbol",
        aria: false,
        encode: {
          update: {
            x: { value: keySize.width / 2 },
            y: { value: keySize.height / 2 },
            shape: { value: sign },
            size: { value: 50 },
            fill: { value: colour },
          },
        },
      },
    ],
  });

/** The course of a line in words. */
function toldOf(name: string, points: readonly Point[], across: string, counts: boolean): string {
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined) return name;
  const at = ({ x, y }: Point) => `${figure(y)} at ${counts ? `${across} ` : ""}${figure(x)}`;
  return first === last ? `${name}: ${at(first)}` : `${name}: from ${at(first)} to ${at(last)}`;
}

/** Without spreading the values over the arguments of a call, of which there can be only so many. */
function rangeOf(values: readonly number[]): Range {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}
