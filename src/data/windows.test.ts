import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { camelCase } from "../config/config.js";
import { tensor } from "../tensor.js";
import { type WindowOptions, windows } from "./windows.js";

const golden: {
  readonly windows: readonly {
    readonly data: number[] | number[][];
    readonly targets: number[] | number[][] | null;
    readonly options: object;
    readonly x: readonly unknown[];
    readonly y: readonly unknown[] | null;
  }[];
} = JSON.parse(readFileSync(new URL("../../tests/golden/preprocessing/keras.json", import.meta.url), "utf8"));

describe("windows", () => {
  it.each(golden.windows)("with $options are Keras's", ({ data, targets, options, x, y }) => {
    const given = Object.fromEntries(
      Object.entries(options).map(([name, value]) => [camelCase(name), value]),
    );
    const made = windows(data, targets, given as WindowOptions);
    expect(made.count).toBe(x.length);
    const arrays = made.arrays();
    expect(arrays.x.array()).toEqual(x);
    expect(arrays.y?.array() ?? null).toEqual(y);
    const each = [...made];
    expect(each.map((window) => window.x.array())).toEqual(x);
    if (y !== null) expect(each.map((window) => window.y?.array())).toEqual(y);
  });

  it("have the steps that their definition says", () => {
    const count = (most: number) => fc.integer({ min: 1, max: most });
    fc.assert(
      fc.property(
        count(40),
        count(5),
        count(6),
        count(4),
        fc.nat(20),
        (steps, sequenceLength, sequenceStride, samplingRate, startIndex) => {
          const series = Int32Array.from({ length: steps }, (_, step) => step);
          const fits = startIndex + (sequenceLength - 1) * samplingRate < steps;
          const make = () =>
            windows(series, series, { sequenceLength, sequenceStride, samplingRate, startIndex });
          if (!fits) {
            expect(make).toThrow(/windows: /);
            return;
          }
          const made = make();
          for (const [i, { x, y }] of [...made].entries()) {
            const begin = startIndex + i * sequenceStride;
            expect([...x.data]).toEqual(
              Array.from({ length: sequenceLength }, (_, step) => begin + step * samplingRate),
            );
            expect(y?.array()).toBe(begin);
          }
          const next = startIndex + made.count * sequenceStride;
          expect(next + (sequenceLength - 1) * samplingRate).toBeGreaterThanOrEqual(steps);
        },
      ),
    );
  });

  it("share the memory of the series where they can", () => {
    const series = tensor([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const { x, y } = windows(series, [7, 8, 9], { sequenceLength: 2 }).get(1);
    expect(x.data.buffer).toBe(series.data.buffer);
    expect([x.array(), y?.array()]).toEqual([
      [
        [3, 4],
        [5, 6],
      ],
      8,
    ]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "too short a series",
      () => windows([1, 2, 3], null, { sequenceLength: 3, samplingRate: 2 }),
      /3 steps, expected at least 5 steps/,
    ],
    ["no target", () => windows([1, 2, 3], [], { sequenceLength: 1 }), /3 steps and 0 targets/],
    [
      "a beginning after the end",
      () => windows([1, 2, 3], null, { sequenceLength: 1, startIndex: 2, endIndex: 2 }),
      /startIndex: 2, endIndex: 2 for 3 steps/,
    ],
    [
      "an end beyond the series",
      () => windows([1, 2, 3], null, { sequenceLength: 1, endIndex: 4 }),
      /endIndex: 4/,
    ],
    ["no length", () => windows([1, 2, 3], null, {} as never), /no sequenceLength/],
    ["a number in place of a series", () => windows(3, null, { sequenceLength: 1 }), /the number 3 for data/],
    [
      "a window that there is not",
      () => windows([1, 2, 3], null, { sequenceLength: 3 }).get(1),
      /window 1, expected 0 to 0/,
    ],
  ])("refuse %s", (_, act, message) => expect(act).toThrow(message));
});
