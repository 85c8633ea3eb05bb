import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute } from "../../tests/execute.js";
import * as ops from "../graph/build.js";
import { symbol } from "../graph/dim.js";
import * as described from "../graph/instructions.js";
import type { Graph, SymbolicTensor } from "../graph/ir.js";
import { conv2d } from "../graph/ops/conv.js";
import { pool } from "../graph/ops/pool.js";
import type { Backend } from "../runtime/backend.js";
import { createBackend } from "../runtime/select.js";
import { compile } from "./compile.js";
import { decode } from "./encode.js";
import { layoutState } from "./state.js";

const B = symbol("B");
const [H, W, C] = [11, 8, 2];
let backends: Backend[];
beforeAll(async () => {
  backends = await Promise.all([1, 3].map((threads) => createBackend({ threads, warn: () => undefined })));
});
afterAll(async () => {
  for (const backend of backends) await backend.close();
});

const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i * 12.9898 + seed));
const kernel = (shape: readonly number[]): SymbolicTensor => {
  const size = shape.reduce((p, d) => p * d, 1);
  return ops.constant(numbers(size, size), shape, "float32");
};

/** Two convolutions and a pool, one upon the other, and rows of the result. */
function layers(x: SymbolicTensor): { first: SymbolicTensor; second: SymbolicTensor; rows: SymbolicTensor } {
  const first = conv2d(x, kernel([3, 3, C, 20]), { activation: "relu", padding: "same" });
  const second = conv2d(first, kernel([3, 3, 20, 17]), { strides: [1, 2] });
  const pooled = pool(second, { kind: "max", window: [2, 2] });
  return { first, second, rows: ops.reshape(pooled, [B, -1]) };
}

const programOf = (graph: Graph, rows: number) =>
  compile(graph, { bindings: { B: rows }, layout: layoutState([]), vectorWidth: 8 });
const namesOf = (graph: Graph, rows: number): string[] =>
  decode(programOf(graph, rows).words, Object.values(described)).map(({ name }) => name);

describe("chains", () => {
  const x = ops.input("x", [B, H, W, C]);
  const { first, second, rows } = layers(x);
  const graph: Graph = { name: "chain", inputs: [x], outputs: { rows }, updates: [] };
  /** The same, with all that lies between wanted. */
  const open: Graph = { ...graph, name: "open", outputs: { rows, first, second } };

  it("give the bits of one operation after the other, for any number of rows and threads", async () => {
    for (const count of [1, 5, 33, 70]) {
      const input = numbers(count * H * W * C, count);
      for (const backend of backends) {
        const chained = await execute(graph, [input], { B: count }, backend);
        const apart = await execute(open, [input], { B: count }, backend);
        expect(chained.outputs.rows).toEqual(apart.outputs.rows);
      }
    }
  });

  it("join what follows one another, with room for some rows of what lies between", () => {
    expect(namesOf(graph, 512)).toContain("chain");
    expect(namesOf(graph, 512)).not.toContain("pool");
    const row = 4 * (H * W * 20 + (H - 2) * 3 * 17);
    // 32 places of some rows each, as many as fit the caches.
    const rows = 4096;
    const result = 4 * rows * 4 * 1 * 17;
    expect(programOf(graph, rows).scratchBytes).toBeLessThan(32 * 2 ** 18 + result + 2 ** 16);
    expect(programOf(graph, rows).scratchBytes).toBeLessThan((rows / 3) * row);
  });

  it("join nothing that somebody else reads", () => {
    expect(namesOf(open, 512)).not.toContain("chain");
    const half: Graph = { ...graph, outputs: { rows, twice: ops.add(first, 1) } };
    const words = namesOf(half, 512);
    expect(words.filter((name) => name === "conv")).toHaveLength(1);
    expect(words).toContain("chain");
  });
});
