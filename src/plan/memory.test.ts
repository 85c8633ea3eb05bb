import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { atOnce } from "../breather.js";
import type { Buffer, Loop, Operation } from "./buffer.js";
import { layScratch, lifetimes, placeInOrder, resolve } from "./memory.js";

const make = (bytes: number, scope?: Loop): Buffer => ({
  bytes,
  region: "scratch",
  index: 0,
  offset: 0,
  alias: undefined,
  scope,
});
const op = (
  reads: readonly Buffer[],
  writes: readonly Buffer[],
  inPlace: Operation["inPlace"] = [],
): Operation => ({
  name: "op",
  reads,
  writes,
  inPlace,
  emit: () => undefined,
});

/** Outputs take over inputs; then the byte ranges that buffers occupy. */
function laidOut(operations: readonly Operation[]) {
  const lives = atOnce(lifetimes(operations));
  atOnce(placeInOrder(operations, lives));
  const { offsets, bytes } = atOnce(layScratch(lives));
  return {
    bytes,
    range(buffer: Buffer): [number, number] {
      const { root, offset } = resolve(buffer);
      const base = (offsets.get(root) ?? Number.NaN) + offset;
      return [base, base + buffer.bytes];
    },
  };
}

describe("memory planner", () => {
  it("never gives two living buffers the same bytes", () => {
    const program = fc.array(
      fc.record({
        bytes: fc.integer({ min: 1, max: 300 }),
        reads: fc.array(fc.nat(20), { maxLength: 3 }),
        steals: fc.boolean(),
      }),
      { minLength: 1, maxLength: 25 },
    );
    fc.assert(
      fc.property(program, (steps) => {
        const buffers: Buffer[] = [];
        const operations = steps.map(({ bytes, reads, steals }) => {
          const used = reads
            .map((i) => buffers[i % Math.max(buffers.length, 1)])
            .filter((b) => b !== undefined);
          const [first] = used;
          const output = make(steals && first !== undefined ? first.bytes : bytes);
          buffers.push(output);
          return op(used, [output], steals && first !== undefined ? [{ output, input: first }] : []);
        });
        const { range, bytes } = laidOut(operations);
        // Simulate: every buffer is filled with its own number when written; reads must find it.
        const memory = new Int32Array(bytes);
        operations.forEach((operation, i) => {
          for (const b of operation.reads) {
            const [from, to] = range(b);
            const writer = operations.findIndex((o) => o.writes.includes(b));
            expect(memory.subarray(from, to).every((v) => v === writer + 1)).toBe(true);
          }
          for (const b of operation.writes) memory.fill(i + 1, ...range(b));
        });
      }),
    );
  });

  it("takes no more than the most that lives at one time where sizes are equal", () => {
    const chain = Array.from({ length: 10 }, () => make(64));
    const operations = chain.map((b, i) => op(i === 0 ? [] : [chain[i - 1] ?? b], [b]));
    expect(laidOut(operations).bytes).toBe(128);
  });

  it("keeps what a loop reads from outside through all of its passes", () => {
    const loop: Loop = { parent: undefined };
    const outside = make(64);
    const carried = make(64);
    const inner = make(64, loop);
    const late = make(64, loop);
    const after = make(64);
    const operations: Operation[] = [
      op([], [outside]),
      op([], [carried]),
      {
        ...op([], []),
        loop: {
          loop,
          count: 3,
          body: [op([outside], [inner]), op([inner, carried], [late]), op([late], [carried])],
          advances: [],
        },
      },
      op([carried], [after]),
    ];
    const { range } = laidOut(operations);
    const overlaps = (a: Buffer, b: Buffer) => range(a)[0] < range(b)[1] && range(b)[0] < range(a)[1];
    for (const b of [inner, late, carried]) expect(overlaps(outside, b)).toBe(false);
    for (const b of [inner, late]) expect(overlaps(carried, b)).toBe(false);
    expect(overlaps(inner, late)).toBe(false);
  });

  it("lets an output take over a dying input, but not one that is read again", () => {
    const [a, b, c, d] = [make(64), make(64), make(64), make(64)];
    laidOut([
      op([], [a]),
      op([a], [b], [{ output: b, input: a }]),
      op([b], [c], [{ output: c, input: b }]),
      op([b, c], [d]),
    ]);
    expect(resolve(b).root).toBe(a);
    expect(resolve(c).root).toBe(c);
  });
});
