import { RondoError } from "../../errors.js";
import { type Dim, add as plus, sub } from "../dim.js";

/** How windows lie on an axis: `same`: as many outputs as inputs (by the stride), zeros around; or how much is put around. */
export type WindowPadding = "valid" | "same" | readonly [before: number, after: number];

/** Windows along one axis. */
export interface AxisWindow {
  /** From the first to the last element of a window: (size − 1) · dilation + 1. */
  readonly reach: number;
  readonly stride: number;
  readonly padding: WindowPadding;
}

/** How many windows there are on an axis, and how many elements the first one begins before it. As TensorFlow counts. */
export function windowsOn(
  where: string,
  size: Dim,
  { reach, stride, padding }: AxisWindow,
): { readonly out: Dim; readonly before: number } {
  if (padding === "same" && stride > 1 && typeof size === "number") {
    const out = Math.ceil(size / stride);
    return { out, before: Math.floor(Math.max((out - 1) * stride + reach - size, 0) / 2) };
  }
  const [before, after] =
    padding === "valid"
      ? [0, 0]
      : padding === "same"
        ? [Math.floor((reach - 1) / 2), Math.ceil((reach - 1) / 2)]
        : padding;
  const places = sub(plus(size, before + after), reach); // of the last window, from the first one on
  if (typeof places !== "number") {
    if (stride === 1) return { out: plus(places, 1), before };
    throw new RondoError({
      where,
      received: `an axis of open size ${size} with strides of ${stride}`,
      expected: "a size that is known where windows lie more than one step apart",
      fix: "Give the size in inputShape (pad or cut the sequences to it), or use strides of 1",
    });
  }
  if (places < 0) {
    throw new RondoError({
      where,
      received: `an axis of ${size} for windows that reach over ${reach}`,
      expected: "at least one window inside",
      fix: 'Use a smaller window or padding "same", or fewer layers that shrink the axis before this one',
    });
  }
  return { out: Math.floor(places / stride) + 1, before };
}
