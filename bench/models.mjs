// The works on the built package.

import v8 from "node:v8";
import { modelOf } from "./build.mjs";
import { data, RATES } from "./peers/protocol.mjs";

// Must come before the engine sees any WebAssembly.
if (Number.parseInt(process.versions.node, 10) < 22)
  v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

export const rondo = await import("../dist/index.js");
const { tagScheme } = await import("../dist/data/index.js");

/** Eight types of entities: 33 tags. */
const tags = tagScheme("BIOES", [..."ABCDEFGH"]);

/** The model of a work on a backend, compiled. */
export const buildModel = (work, backend) => modelOf(rondo, { work, backend, tags, rates: RATES });

/** Inputs and targets of some rows of a work: { x, y }. */
export function tensors(work, rows) {
  const { x, y } = data(work, rows);
  return { x: rondo.tensor(x.values, x.shape), y: rondo.tensor(y.values, y.shape) };
}
