import { describe, expect, test } from "vitest";
import {
  type GoldenTensors,
  goldenError,
  goldenGroups,
  hashName,
  loadGolden,
  loadIndex,
  loadValues,
  size,
  uniform,
} from "./load.js";

describe.each(goldenGroups)("golden group %s", (group) => {
  test("the index covers the file, each element once", () => {
    const index = loadIndex(group);
    expect(index.group).toBe(group);
    expect(loadValues(group).length).toBe(index.elements);
    let next = 0;
    for (const { inputs, weights, lossWeights, outputs, gradients } of index.cases) {
      const entries = [inputs, weights, lossWeights, outputs, gradients].flatMap((s) =>
        Object.values(s ?? {}),
      );
      const stored = entries.flatMap((entry) => ("offset" in entry ? [entry] : []));
      for (const { shape, offset, stride = 1 } of stored.sort((a, b) => a.offset - b.offset)) {
        expect(offset).toBe(next);
        next += Math.ceil(size(shape) / stride);
      }
    }
    expect(next).toBe(index.elements);
  });

  test("the generator gives what the writing side used", () => {
    expect([...uniform(hashName(group), 4)]).toEqual(loadIndex(group).generator);
  });

  test("every case is whole: lengths, finite values, a loss weight for each output, gradients that fit", () => {
    const cases = loadGolden(group);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    for (const { name, inputs, weights, lossWeights, outputs, gradients } of cases) {
      for (const tensors of [inputs, weights, lossWeights, outputs, gradients]) {
        for (const [key, { shape, data, stride }] of Object.entries(tensors)) {
          expect(data.length, `${name} ${key}`).toBe(Math.ceil(size(shape) / stride));
          expect(data.every(Number.isFinite), `${name} ${key}`).toBe(true);
        }
      }
      if (Object.keys(lossWeights).length > 0) {
        const differentiated = Object.entries(shapes(outputs)).filter(
          ([key]) => !/^outputMask|^moving/.test(key),
        );
        expect(shapes(lossWeights), name).toEqual(Object.fromEntries(differentiated));
        const values = Object.values(lossWeights).flatMap(({ data }) => [...data]);
        expect(new Set(values).size, `${name}: loss weights differ`).toBeGreaterThan(values.length * 0.99);
      }
      const sources = { ...shapes(inputs), ...shapes(weights) };
      for (const [key, shape] of Object.entries(shapes(gradients))) {
        expect(sources[key] ?? sources[key.replace(/\d$/, "")], `${name} ${key}`).toEqual(shape);
      }
      expect(Object.keys(outputs).length, name).toBeGreaterThan(0);
    }
  });
});

function shapes(tensors: GoldenTensors): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(tensors).map(([key, { shape }]) => [key, shape]));
}

/**
 * The LSTM's equations (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000), gates in the order
 * i, f, c, o, on a case of one row: shows that names, order and layout mean what they say.
 */
test("a stored LSTM follows from its generated weights", () => {
  const golden = loadGolden("options").find(({ name }) => name === "lstm/B1T4/gaps");
  const { kernel, recurrentKernel, bias } = golden?.weights ?? {};
  const { x, mask, h0, c0 } = golden?.inputs ?? {};
  const { output, h: lastH, c: lastC } = golden?.outputs ?? {};
  if (!(kernel && recurrentKernel && bias && x && mask && h0 && c0 && output && lastH && lastC)) {
    throw new Error("the case has lost a tensor");
  }
  const T = 4;
  const D = 3;
  const H = 6;
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
  let h = [...h0.data];
  let c = [...c0.data];
  let held: number[] = Array(H).fill(0);
  const outputs: number[] = [];
  for (let t = 0; t < T; t++) {
    if (mask.data[t] === 1) {
      const before = h;
      const gate = (g: number, unit: number) => {
        const column = g * H + unit;
        let z = bias.data[column] ?? 0;
        for (let d = 0; d < D; d++) z += (x.data[t * D + d] ?? 0) * (kernel.data[d * 4 * H + column] ?? 0);
        for (let j = 0; j < H; j++) z += (before[j] ?? 0) * (recurrentKernel.data[j * 4 * H + column] ?? 0);
        return z;
      };
      c = c.map((cell, u) => sigmoid(gate(1, u)) * cell + sigmoid(gate(0, u)) * Math.tanh(gate(2, u)));
      h = c.map((cell, u) => sigmoid(gate(3, u)) * Math.tanh(cell));
      held = h;
    }
    outputs.push(...held);
  }
  expect(goldenError(outputs, output)).toBeLessThan(1e-7);
  expect(goldenError(h, lastH)).toBeLessThan(1e-7);
  expect(goldenError(c, lastC)).toBeLessThan(1e-7);
  expect([...mask.data]).toContain(0);
});

describe("goldenError", () => {
  const sampled = { shape: [2, 3], data: Float32Array.of(1, -4), stride: 5 };

  test("is relative to the largest expected value and looks where the sample lies", () => {
    expect(goldenError([1, 9, 9, 9, 9, -4], sampled)).toBe(0);
    expect(goldenError([3, 0, 0, 0, 0, -4], sampled)).toBe(0.5);
  });

  test("is infinite for NaN", () => {
    expect(goldenError([Number.NaN, 0, 0, 0, 0, -4], sampled)).toBe(Number.POSITIVE_INFINITY);
  });

  test("refuses another number of elements", () => {
    expect(() => goldenError([1, -4], sampled)).toThrow("shape [2, 3]");
  });
});
