import { expect } from "vitest";
import type { Dtype, TypedArray } from "../../src/dtype.js";
import { known, type Values } from "../reference.js";

/**
 * Integers and bools are exact. For floats: operands are of size 1, and the longest chain of roundings in a case, a
 * recurrence and its gradient, is some tens of products deep, so 64 half-units in the last place (2⁻²⁴) of the largest
 * value of the array, or of 1 where all are smaller: terms of that size cancel in the others.
 *
 * @param alone each element is a function of a few numbers alone, and the error is measured by its own size
 */
const tolerance = 64 * 2 ** -24;

export function expectAgreement(
  name: string,
  actual: TypedArray,
  { data }: Values,
  dtype: Dtype,
  alone = false,
): void {
  expect(actual.length, name).toBe(data.length);
  const largest = data.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 1);
  data.forEach((exact, i) => {
    const [got, wanted] = [known(actual[i], name), Math.fround(exact)];
    const scale = alone ? Math.max(1, Math.abs(exact)) : largest;
    if (dtype !== "float32") expect(got, `${name}[${i}]`).toBe(exact);
    else if (!Number.isFinite(wanted)) expect(got, `${name}[${i}]`).toBe(wanted);
    else
      expect(
        Math.abs(got - exact) / scale <= tolerance,
        `${name}[${i}] is ${got}, the reference ${exact}`,
      ).toBe(true);
  });
}
