import type { Field } from "../config/config.js";
import { invalid, type Json } from "../config/config.js";
import { choice, snakeChoice } from "../config/fields.js";
import { RondoError } from "../errors.js";
import type { SymbolicTensor } from "../graph/ir.js";
import { widenMask } from "../graph/mask.js";
import { cast, isFinite as isFiniteOp, logicalOr, where } from "../graph/ops/elementwise.js";
import { batchShapeText, type InputTypes, type Layer } from "./layer.js";
import type { InputShape, IsUnknown, ShapeError, ShapeRule } from "./types.js";

/** One number for every axis, or one for each. */
export type PerAxis = number | readonly number[];

const isSize = (x: unknown): x is number => Number.isInteger(x) && Number(x) >= 1;

function sizesOf(axes: number, given: PerAxis, where: string, name: string): readonly number[] {
  const list = typeof given === "number" ? Array<number>(axes).fill(given) : given;
  if (Array.isArray(list) && list.length === axes && list.every(isSize)) return list;
  const several = axes === 1 ? "" : `, or ${axes} of them in a list: one for each axis`;
  throw invalid(where, name, given, `a whole number of at least 1${several}`);
}

const written = (value: readonly number[]): Json => value;
const parsed = (json: Json): PerAxis => json as PerAxis;

/** A size for each of so many axes, or one for all; without a default. */
export const requiredSizes = (axes: number): Field<PerAxis, readonly number[], true> => ({
  required: true,
  initial: undefined,
  read: (given, where, name) => sizesOf(axes, given, where, name),
  write: written,
  parse: parsed,
});

/** The same with a default for all axes. */
export const sizes = (axes: number, initial: number): Field<PerAxis, readonly number[], false> => ({
  ...requiredSizes(axes),
  required: false,
  initial: Array<number>(axes).fill(initial),
});

/** The same, null where something else is meant. */
export const optionalSizes = (axes: number): Field<PerAxis | null, readonly number[] | null, false> => ({
  required: false,
  initial: null,
  read: (given, where, name) => (given === null ? null : sizesOf(axes, given, where, name)),
  write: (value) => value,
  parse: (json) => json as PerAxis | null,
});

/** Keras's data_format: channels are the last axis. */
export const dataFormat: Field<"channelsLast", "channelsLast", false> = {
  ...snakeChoice(choice("channelsLast", ["channelsLast"])),
  read(given: string, where) {
    if (given === "channelsLast") return given;
    throw new RondoError({
      where,
      received: `dataFormat: ${JSON.stringify(given)}`,
      expected: '"channelsLast": [batch, .., channels]',
      fix: "Move the axis of channels to the end, with permute in front and in the data; a kernel has the same layout in both",
    });
  },
  parse: (json) =>
    (json === null || json === "channels_last"
      ? "channelsLast"
      : json === "channels_first"
        ? "channelsFirst"
        : json) as "channelsLast",
};

const axisNames = { 1: "time", 2: "height, width", 3: "depth, height, width" } as const;
type Axes = keyof typeof axisNames;

/** Refuses inputs that are not [batch, ..as many axes as windows have, channels], with the likely fix. */
export function checkPixels(layer: Layer, [{ shape }]: InputTypes, axes: Axes): void {
  const rank = axes + 2;
  if (shape.length === rank) return;
  const last = axes === 1 ? "features" : "channels";
  const open = axes === 1 ? "[time, features]" : `[${axisNames[axes]}, 1]`;
  const fix =
    shape.length === rank + 1
      ? `Apply it to every step: timeDistributed({ layer: … }) around this ${layer.definition.className}`
      : shape.length > rank
        ? `Leave the batch axis out of inputShape, as in ${open}, or reshape before it`
        : axes === 1
          ? "Set returnSequences: true on the layer before, or give the steps an axis with reshape"
          : shape.length === rank - 1
            ? `Give every pixel an axis of channels: inputShape: ${open}, or reshape before it`
            : `Give the pixels their axes back before it: reshape({ targetShape: ${open} })`;
  throw layer.error(batchShapeText(shape), `[batch, ${axisNames[axes]}, ${last}]`, fix);
}

/**
 * x as floats, in which what is neither finite nor counts is 0, so that it spoils no gradient of a kernel; other values at
 * masked steps stay, as in Keras. The mask stays too.
 */
export function finiteWhereMasked(x: SymbolicTensor): SymbolicTensor {
  const { mask } = x;
  if (mask === undefined || x.dtype !== "float32") return x;
  const bare = cast(x.withMask(undefined), "float32");
  return where(logicalOr(widenMask(mask, x.rank), isFiniteOp(bare)), bare, 0).withMask(mask);
}

/** What a layer over windows says of masks that it drops. */
export const windowMaskNote = "NaN and ∞ at masked steps count as 0.";

/** [..axes, C] → [number.., C out of it, or F]; N is the number of axes. */
export interface WindowRule<
  Kind extends string,
  N extends Axes,
  F extends number | undefined = undefined,
  S extends InputShape | undefined = undefined,
> extends ShapeRule {
  readonly given: S;
  readonly out: IsUnknown<this["in"]> extends true
    ? [...Open[N], F extends number ? F : number]
    : this["in"] extends readonly [...Open[N], infer C extends number]
      ? [...Open[N], F extends number ? F : C]
      : ShapeError<`${Kind} needs ${Needs[N]}`>;
}
interface Open {
  1: [number];
  2: [number, number];
  3: [number, number, number];
}
interface Needs {
  1: "[batch, time, features]";
  2: "[batch, height, width, channels]; give pictures an axis of channels, and sequences of them timeDistributed";
  3: "[batch, depth, height, width, channels]";
}
