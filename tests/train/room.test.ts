// What models do where memory is short, and with many sizes of data.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { platform } from "#platform";
import {
  type Backend,
  defineLayer,
  Layer,
  layers,
  ops,
  type Sequential,
  type ShapeRule,
  type SymbolicTensor,
  sequential,
  Tensor,
} from "../../src/index.js";
import type { Inputs } from "../../src/layers/layer.js";
import { createBackend } from "../../src/runtime/select.js";
import { wasmBackend } from "../../src/runtime/wasm.js";
import { describeWith, nativeAddon } from "../machine.js";
import { wrapped } from "./wrapped.js";

const zeros = (...shape: number[]) =>
  new Tensor(new Float32Array(shape.reduce((n, d) => n * d, 1)), shape, "float32");

/** A backend that counts the programs that it loads. */
function counting(backend: Backend) {
  const counts = { loads: 0 };
  const counted = wrapped(backend, (program, state) => {
    counts.loads++;
    return backend.load(program, state);
  });
  return { backend: counted, counts };
}

describe("a model on data of many sizes", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend({ backend: "wasm", threads: 1 });
  });
  afterAll(() => backend.close());

  it("plans each length once", async () => {
    const counted = counting(backend);
    const model = sequential([layers.lstm({ units: 2, inputShape: [null, 2] }), layers.dense({ units: 1 })], {
      seed: 1,
      backend: counted.backend,
    });
    model.compile({ optimizer: "sgd", loss: "mse" });
    await model.trainOnBatch(zeros(2, 1, 2), zeros(2, 1));
    const { loads } = counted.counts;
    for (const round of [1, 2, 3])
      for (let T = 2; T <= 40; T++) {
        await model.trainOnBatch(zeros(2, T, 2), zeros(2, 1));
        expect(counted.counts.loads - loads).toBe(round === 1 ? T - 1 : 39);
      }
  });

  it("forgets the traces of lengths that it saw long ago", async () => {
    const traced: WeakRef<object>[] = [];
    const definition = defineLayer("Long", {});
    class Long extends Layer<ShapeRule, typeof definition.fields> {
      constructor() {
        super(definition, {});
      }
      override call([x]: Inputs): SymbolicTensor {
        let y = x;
        for (let i = 0; i < 1000; i++) y = ops.add(y, x);
        traced.push(new WeakRef(x.node));
        return y;
      }
    }
    const model = sequential([new Long()], { seed: 1, backend });
    for (let T = 1; T <= 60; T++) await model.predict(zeros(1, T, 2));
    await platform.collect();
    expect(traced.length).toBeGreaterThanOrEqual(60);
    expect(traced.filter((node) => node.deref() !== undefined).length).toBeLessThan(30);
  });
});

describe("a WebAssembly backend of 32 MiB", () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await wasmBackend(platform, "simd128", 1, 512);
  });
  afterAll(() => backend.close());

  // State and packs take some 2 MiB.
  const make = (seed: number): Sequential =>
    sequential([layers.lstm({ units: 256, inputShape: [null, 8] })], { seed, backend });

  it("has room for one model after the other", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const model = make(seed);
      await model.ready();
      expect((await model.predict(zeros(1, 3, 8))).shape).toEqual([1, 256]);
      if (seed % 8 === 0) model.predictSync(zeros(1, 2, 8));
    }
  });

  it("has room for sequences of any length", async () => {
    const model = make(1);
    for (let T = 1; T <= 40; T++) await model.predict(zeros(1, T, 8));
    model.compile({ optimizer: "sgd", loss: "mse" });
    for (let T = 1; T <= 20; T++) await model.trainOnBatch(zeros(1, T, 8), zeros(1, 256));
  });

  it("refuses what does not fit beside what is alive, and has room again afterwards", async () => {
    const alive: Sequential[] = [];
    const fill = async () => {
      for (let seed = 0; seed < 40; seed++) {
        const model = make(seed);
        await model.predict(zeros(1, 3, 8));
        alive.push(model);
      }
    };
    await expect(fill()).rejects.toThrow(/(load of program "predict"|allocate): .*refused/);
    expect(alive.length).toBeGreaterThan(8);
    alive.length = 8;
    const [first] = alive;
    expect((await first?.predict(zeros(1, 5, 8)))?.shape).toEqual([1, 256]);
    alive.length = 0;
    for (let seed = 0; seed < 10; seed++) await make(seed).predict(zeros(1, 3, 8));
  });
});

function waitsForOneStep(kind: "native" | "wasm"): void {
  it("is waited for no longer than for the step that runs", async () => {
    const backend = await createBackend({ backend: kind, threads: 1 });
    const build = (seed: number) => {
      const model = sequential(
        [layers.lstm({ units: 64, inputShape: [20, 16] }), layers.dense({ units: 1 })],
        { seed, backend },
      );
      model.compile({ optimizer: "sgd", loss: "mse" });
      return model;
    };
    const [trained, served] = [build(1), build(2)];
    const row = zeros(1, 20, 16);
    await served.predict(row);
    await trained.predict(row);
    let steps = 0;
    const onTrainBatchEnd = () => {
      steps++;
    };
    const fitting = trained.fit(zeros(6000, 20, 16), zeros(6000, 1), {
      batchSize: 200,
      shuffle: false,
      verbose: 0,
      callbacks: { onTrainBatchEnd },
    });
    while (steps === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    const waited: number[] = [];
    for (const model of [served, trained, served, trained]) {
      const before = steps;
      await model.predict(row);
      waited.push(steps - before);
    }
    expect(steps).toBeLessThan(30); // the fit was under way
    for (const count of waited) expect(count).toBeLessThanOrEqual(2); // the one that ran, and one told of late
    await fitting;
    await backend.close();
  });
}

describe("a prediction beside a fit, on wasm", () => waitsForOneStep("wasm"));
describeWith(nativeAddon, "a prediction beside a fit, natively", () => waitsForOneStep("native"));
