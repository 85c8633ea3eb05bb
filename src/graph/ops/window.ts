import { RondoError } from "../../errors.js";
import { type Dim, floorDiv, mul, add as plus, sub } from "../dim.js";

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
): { readonly out: Dim; readonly before: Dim } {
  if (padding === "same" && stride > 1) {
    const out = floorDiv(plus(size, stride - 1), stride);
    return { out, before: halfOf(sub(plus(mul(sub(out, 1), stride), reach), size), reach, stride) };
  }
  const [before, after] =
    padding === "valid"
      ? [0, 0]
      : padding === "same"
        ? [Math.floor((reach - 1) / 2), Math.ceil((reach - 1) / 2)]
        : padding;
  const out = plus(floorDiv(sub(plus(size, before + after), reach), stride), 1);
  checkWindows(where, { size, out, reach });
  return { out, before };
}

/**
 * ⌊max(over, 0) / 2⌋ of what windows reach over an axis, which is from reach − stride to reach − 1: below 0 where the last
 * window ends before the axis does.
 */
function halfOf(over: Dim, reach: number, stride: number): Dim {
  if (reach <= 2) return 0;
  const half = floorDiv(over, 2);
  return reach >= stride ? half : mul(half, floorDiv(plus(over, stride), stride));
}

/** @throws RondoError where it is known that no window fits on an axis */
export function checkWindows(
  where: string,
  { size, out, reach }: { readonly size: Dim; readonly out: Dim; readonly reach: number },
): void {
  if (typeof size !== "number" || typeof out !== "number" || out > 0) return;
  throw new RondoError({
    where,
    received: `an axis of ${size} for windows that reach over ${reach}`,
    expected: "at least one window inside",
    fix: 'Use longer inputs, a smaller window or padding "same", or fewer layers that shrink the axis before this one',
  });
}
