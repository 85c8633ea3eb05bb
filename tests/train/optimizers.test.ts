import { describe, expect, it } from "vitest";
import { type Json, snakeCase } from "../../src/config/config.js";
import { parseOfKind, writeOfKind } from "../../src/config/configurable.js";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { optimizerKind } from "../../src/train/optimizers/index.js";
import type { Optimizer } from "../../src/train/optimizers/optimizer.js";
import { averageSlot, slotsOf, updateGroups } from "../../src/train/optimizers/update.js";
import { rateOf } from "../../src/train/rate.js";
import { scheduleKind, schedules } from "../../src/train/schedules.js";
import { type GoldenCase, type GoldenOption, goldenError, loadGolden } from "../golden/load.js";
import { evaluate, known, scalar, type Values } from "../reference.js";

const names = ["a", "b"] as const;
const keys: Readonly<Record<string, string>> = {
  clipNorm: "clipnorm",
  clipValue: "clipvalue",
  globalClipNorm: "global_clipnorm",
  beta1: "beta_1",
  beta2: "beta_2",
};

/** The optimizer of a case, with what files do not hold given apart. */
function optimizerOf({ config }: GoldenCase): Optimizer {
  const { optimizer: name, learningRate, excludeFromWeightDecay, ...options } = config;
  const { kind, config: settings } = Object(learningRate) as { kind?: string; config?: object };
  const rate: unknown =
    kind === undefined ? learningRate : schedules[kind as "cosineDecay"](settings as never);
  const factory = known(optimizerKind.factories[String(name)], String(name)) as unknown as (
    options: object,
  ) => Optimizer;
  return factory({
    ...options,
    learningRate: rate,
    ...(excludeFromWeightDecay === undefined ? {} : { excludeFromWeightDecay }),
  });
}

/** As Keras's files hold the options. */
const kerasConfig = (options: Readonly<Record<string, GoldenOption>>): Json =>
  Object.fromEntries(
    Object.entries(options).map(([name, value]) => [
      keys[name] ?? snakeCase(name),
      name === "learningRate" && typeof value === "object" && value !== null
        ? schedule(
            value as { readonly kind: string; readonly config: Readonly<Record<string, GoldenOption>> },
          )
        : (value as Json),
    ]),
  );
const schedule = (given: {
  readonly kind: string;
  readonly config: Readonly<Record<string, GoldenOption>>;
}): Json => ({
  module: "keras.optimizers.schedules",
  class_name: `${given.kind[0]?.toUpperCase()}${given.kind.slice(1)}`,
  config: kerasConfig(given.config),
  registered_name: null,
});

interface Trained {
  /** By step: all weights of the case, side by side. */
  readonly weights: readonly Float64Array[];
  readonly averages: readonly Float64Array[];
}

/** Runs the update of all weights as one graph, step after step; each weight is a group of its own where asked. */
function train(
  golden: GoldenCase,
  optimizer: Optimizer,
  gradientsOf: (step: number) => Readonly<Record<string, Float64Array>>,
  steps: number,
  apart = false,
): Trained {
  const all = names.map((name) => ({ name, ...known(golden.weights[name], name) }));
  const sizes = all.map(({ data }) => data.length);
  const total = sizes.reduce((n, size) => n + size, 0);
  const groups = apart ? all.map((one) => [one]) : [all];
  const before = new Map<string, Values>();
  const inputs = groups.map((group, k) => {
    const size = group.reduce((n, { data }) => n + data.length, 0);
    for (const { name, scalar: one, initial } of slotsOf(optimizer, 1)) {
      const shape = one ? [] : [size];
      before.set(`${k} ${name}`, { shape, data: new Float64Array(one ? 1 : size).fill(initial) });
    }
    before.set(`${k}`, { shape: [size], data: Float64Array.from(group.flatMap(({ data }) => [...data])) });
    let offset = 0;
    return {
      parameters: input(`${k}`, [size]),
      weights: group.map(({ name, shape, data }) => {
        offset += data.length;
        return {
          name,
          shape,
          offset: offset - data.length,
          size: data.length,
          constraint: null,
          table: null,
        };
      }),
      gradients: [group.map(({ name, shape }) => input(`gradient ${name}`, shape))],
      slot: (name: string) => input(`${k} ${name}`, known(before.get(`${k} ${name}`), name).shape),
    };
  });
  const step = input("step", []);
  const rate =
    typeof optimizer.learningRate === "number" ? input("rate", []) : rateOf(optimizer.learningRate, step);
  const updated = updateGroups(optimizer, inputs, { learningRate: rate, steps: step });
  const results = new Map<string, SymbolicTensor>();
  for (const [k, { parameters, slots }] of updated.entries()) {
    expect(Object.keys(slots).sort()).toEqual(
      slotsOf(optimizer, 1)
        .map(({ name }) => name)
        .sort(),
    );
    results.set(`${k}`, parameters);
    for (const [name, value] of Object.entries(slots)) results.set(`${k} ${name}`, value);
  }
  const weights: Float64Array[] = [];
  const averages: Float64Array[] = [];
  const joined = (tail: string) =>
    Float64Array.from(groups.flatMap((_, k) => [...known(before.get(`${k}${tail}`), tail).data]));
  for (let i = 0; i < steps; i++) {
    const gradients = Object.entries(gradientsOf(i)).map(([name, data]) => [
      `gradient ${name}`,
      { shape: known(golden.weights[name], name).shape, data },
    ]);
    const { learningRate } = optimizer;
    const given = {
      ...Object.fromEntries([...before, ...gradients]),
      step: scalar(i),
      ...(typeof learningRate === "number" ? { rate: scalar(learningRate) } : {}),
    };
    const values = evaluate([...results.values()], { inputs: given });
    for (const [at, key] of [...results.keys()].entries()) before.set(key, known(values[at], key));
    weights.push(joined(""));
    if (optimizer.useEma) averages.push(joined(` ${averageSlot}`));
    expect(weights[i]?.length).toBe(total);
  }
  return { weights, averages };
}

describe("optimizers agree with Keras over five steps", () => {
  for (const golden of loadGolden("optimizers")) {
    it(golden.name, () => {
      const gradients = (i: number) =>
        Object.fromEntries(
          names.map((n) => [n, Float64Array.from(known(golden.inputs[`gradient${i + 1}.${n}`], n).data)]),
        );
      const { weights } = train(golden, optimizerOf(golden), gradients, 5);
      for (const [i, row] of weights.entries()) {
        const expected = names.flatMap((n) => [...known(golden.outputs[`${n}${i + 1}`], n).data]);
        const tensor = { shape: [row.length], data: Float32Array.from(expected), stride: 1 };
        expect(goldenError(row, tensor)).toBeLessThan(1e-6);
      }
    });
  }
});

/** Row `i` of a tensor [10, ..]. */
const rowOf = (golden: GoldenCase, key: string, section: "inputs" | "outputs", i: number): Float64Array => {
  const { data } = known(golden[section][key], key);
  const width = data.length / 10;
  return Float64Array.from(data.slice(i * width, (i + 1) * width));
};

describe("every optimizer with every shared option agrees with Keras over ten steps", () => {
  for (const golden of loadGolden("optimizerKinds")) {
    for (const apart of [false, true])
      it(`${golden.name}${apart ? ", each weight a group" : ""}`, () => {
        const optimizer = optimizerOf(golden);
        const gradients = (i: number) =>
          Object.fromEntries(names.map((n) => [n, rowOf(golden, `gradient.${n}`, "inputs", i)]));
        const { weights, averages } = train(golden, optimizer, gradients, 10, apart);
        for (let i = 0; i < 10; i++) {
          const expected = (prefix: string) => {
            const data = Float32Array.from(
              names.flatMap((n) => [...rowOf(golden, `${prefix}${n}`, "outputs", i)]),
            );
            return { shape: [data.length], data, stride: 1 };
          };
          expect(goldenError(known(weights[i], "weights"), expected(""))).toBeLessThan(1e-6);
          if (optimizer.useEma)
            expect(goldenError(known(averages[i], "averages"), expected("average."))).toBeLessThan(1e-6);
          if (typeof optimizer.learningRate === "object") {
            const rate = known(golden.outputs.learningRate, "rate").data[i] ?? Number.NaN;
            expect(optimizer.learningRate.at?.(i)).toBeCloseTo(rate, 7);
          }
        }
      });

    it(`${golden.name} is read from Keras's files and written to them`, () => {
      const { optimizer: name, excludeFromWeightDecay: _, ...options } = golden.config;
      const { className } = known(optimizerKind.factories[String(name)], String(name));
      const extras = { name: "x", loss_scale_factor: null, jit_compile: true };
      const json = { class_name: className, config: { ...(kerasConfig(options) as object), ...extras } };
      const read = parseOfKind(optimizerKind, json, "file", {
        schedule: (inner, where) => parseOfKind(scheduleKind, inner, where),
      }) as Optimizer;
      const made = optimizerOf(golden);
      expect(writeOfKind(optimizerKind, read)).toEqual(writeOfKind(optimizerKind, made));
      expect((writeOfKind(optimizerKind, read) as { config: object }).config).toMatchObject(
        kerasConfig(options) as object,
      );
    });
  }
});
