import { exponential } from "./words.js";

/** Values along one direction of a plot. */
export interface Axis {
  readonly ticks: readonly number[];
  /** As short as tells the ticks apart. */
  readonly texts: readonly string[];
  /** Where a value lies: 0 at the lower end, 1 at the upper one. */
  place(value: number): number;
}

/** Of a digit, at the size of the text in plots, in pixels; most letters are narrower. */
const digitWidth = 7.5;
/** A plot is at least this wide in pixels where it has all its ticks; on narrower screens the page hides every other one. */
const leastWidth = 260;

/** Pixels that the longest of some texts takes. */
export const widest = (texts: readonly string[]): number =>
  Math.ceil(digitWidth * Math.max(0, ...texts.map(({ length }) => length)));

/** From one round number to another, which enclose the values; about `count` ticks. */
export function linearAxis(low: number, high: number, count: number): Axis {
  const ticks = niceTicks(low, high, count);
  return { ticks, texts: tickTexts(ticks), place: between(ticks[0] ?? low, ticks.at(-1) ?? high) };
}

/**
 * Equal factors are equal lengths; values above 0. Ticks at 1, 2 and 5 times powers of ten, or at powers of ten alone
 * where those would be many.
 */
export function logarithmicAxis(low: number, high: number): Axis {
  const fine = logarithmicTicks(low, high, [1, 2, 5]);
  const coarse = logarithmicTicks(low, high, [1]);
  const every = Math.ceil((coarse.length - 1) / mostDecades);
  const ticks = fine.length <= mostDecades + 1 ? fine : coarse.filter((_, i) => i % every === 0);
  const ends = ticks === fine ? fine : coarse;
  const place = between(Math.log10(ends[0] ?? low), Math.log10(ends.at(-1) ?? high));
  return { ticks, texts: ticks.map(shortText), place: (value) => place(Math.log10(value)) };
}

const mostDecades = 6;

/** From the last tick at or below `low` to the first at or above `high`, at least two. */
function logarithmicTicks(low: number, high: number, factors: readonly number[]): number[] {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const all = Array.from({ length: last - first + 3 }, (_, i) =>
    factors.map((factor) => Number(`${factor}e${first - 1 + i}`)),
  ).flat();
  const begin = all.findLastIndex((tick) => tick <= low);
  const end = all.findIndex((tick) => tick >= high);
  return begin < end ? all.slice(begin, end + 1) : all.slice(begin - 1, end + 2);
}

function shortText(tick: number): string {
  return tick >= 1e-4 && tick < 1e6
    ? tick.toLocaleString("en", { maximumSignificantDigits: 1 })
    : exponential(tick, 0);
}

/** Whole-numbered positions, from the first to the last. */
export function positionAxis(first: number, last: number): Axis {
  const ticks = positionTicks(first, last);
  return {
    ticks,
    texts: ticks.map((tick) => tick.toLocaleString("en")),
    place: first === last ? () => 0.5 : between(first, last),
  };
}

const between = (low: number, high: number) => (value: number) => (value - low) / (high - low);

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
