import { expect } from "vitest";
import { RondoError } from "../src/errors.js";
import type { SymbolicTensor } from "../src/graph/ir.js";
import { evaluate, known, type Run, type Values } from "./reference.js";

type Nested = number | boolean | readonly Nested[];

/** Nested lists as an array of the reference. */
export function array(nested: Nested): Values {
  const shape: number[] = [];
  for (let level: Nested | undefined = nested; Array.isArray(level); level = level[0])
    shape.push(level.length);
  const flat = Array.isArray(nested) ? nested.flat(Number.POSITIVE_INFINITY) : [nested];
  return { shape, data: Float64Array.from(flat, Number) };
}

/** An array of the reference as nested lists. */
export function nested({ shape, data }: Values): Nested {
  const nest = (offset: number, axis: number): Nested => {
    const count = shape[axis];
    if (count === undefined) return known(data[offset], "element");
    const width = shape.slice(axis + 1).reduce((p, d) => p * d, 1);
    return Array.from({ length: count }, (_, i) => nest(offset + i * width, axis + 1));
  };
  return nest(0, 0);
}

/** What the reference makes of a value, as nested lists. */
export function computed(
  x: SymbolicTensor | undefined,
  inputs: Run["inputs"] = {},
  run: Omit<Run, "inputs"> = {},
): Nested {
  return nested(known(evaluate([known(x, "value")], { ...run, inputs })[0], "result"));
}

/** The error that `act` must throw, all four parts of it said. */
export function refusal(act: () => unknown): RondoError {
  try {
    act();
  } catch (error) {
    if (!(error instanceof RondoError)) throw error;
    for (const part of [error.where, error.received, error.expected, error.fix]) {
      expect(part.trim()).not.toBe("");
      expect(part).not.toMatch(/undefined|\bNaN\b|\[object/);
    }
    return error;
  }
  return expect.unreachable("nothing was refused");
}
