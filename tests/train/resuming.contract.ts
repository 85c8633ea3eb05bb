import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Dataset, type ElementIterator } from "../../src/data/index.js";
import { readKerasFile, writeKerasFile } from "../../src/formats/kerasFile.js";
import {
  type Backend,
  type CallbackHooks,
  callbacks,
  functional,
  input,
  layers,
  loadModel,
  type Model,
  optimizers,
  sequential,
  Tensor,
} from "../../src/index.js";
import { uniform } from "../golden/load.js";

const [N, T, D, C] = [22, 3, 2, 3];
const x = new Tensor(uniform(1, N * T * D), [N, T, D], "float32");
const y = Int32Array.from({ length: N }, (_, n) => (n * 7) % C);
const z = new Tensor(uniform(2, N), [N, 1], "float32");
const elements = Array.from({ length: N }, (_, n) => ({ x: x.rows(n, n + 1).reshape([T, D]), y: y[n] ?? 0 }));

const compiled = { optimizer: "adam", loss: "sparseCategoricalCrossentropy", metrics: ["accuracy"] } as const;

/** A training: a model that is made anew, and its fit. */
interface Training {
  readonly model: Model;
  fit(more: readonly CallbackHooks[], signal?: AbortSignal): Promise<{ readonly history: object }>;
}
type Options = {
  readonly callbacks: readonly CallbackHooks[];
  readonly signal?: AbortSignal;
  readonly verbose: 0;
};

function classifier(backend: Backend): Model {
  const model = sequential(
    [
      layers.lstm({ units: 3, inputShape: [T, D], dropout: 0.3 }),
      layers.batchNormalization(),
      layers.dense({ units: C, activation: "softmax" }),
    ],
    { seed: 5, backend },
  );
  model.compile(compiled);
  return model;
}

/** Sets the learning rate by the loss after each batch: a step's rate hangs on the loss two steps before. */
const byLoss = (model: Model): CallbackHooks => ({
  onTrainBatchEnd: (_, { loss = 0 }) => {
    model.learningRate = 0.001 * (1 + loss);
  },
});

/** Every kind of training. */
const trainings: Readonly<
  Record<string, (backend: Backend) => [Model, (options: Options) => Promise<{ history: object }>]>
> = {
  "arrays, validation, callbacks with a state": (backend) => {
    const model = classifier(backend);
    const own = () => [
      callbacks.earlyStopping({ patience: 1, restoreBestWeights: true }),
      callbacks.reduceLROnPlateau({ patience: 1, factor: 0.3 }),
      byLoss(model),
    ];
    return [
      model,
      (options) =>
        model.fit(x, y, {
          ...options,
          ...{ batchSize: 5, epochs: 4, validationSplit: 0.2 },
          callbacks: [...options.callbacks, ...own()],
        }),
    ];
  },
  "a shuffled dataset, read ahead": (backend) => {
    const model = classifier(backend);
    const dataset = Dataset.fromIterable(elements).shuffle(6).batch(5).prefetch(2);
    const validationData = Dataset.fromIterable(elements).batch(8);
    return [model, (options) => model.fit(dataset, { ...options, epochs: 3, validationData })];
  },
  "a dataset whose epochs go on where the one before stopped": (backend) => {
    const model = classifier(backend);
    const dataset = Dataset.fromIterable(elements).shuffle(6).batch(4);
    return [model, (options) => model.fit(dataset, { ...options, epochs: 3, stepsPerEpoch: 4 })];
  },
  "a source that cannot tell where it stands": (backend) => {
    const model = classifier(backend);
    const inner = Dataset.fromIterable(elements).shuffle(6).batch(5);
    const source = {
      size: undefined,
      iterator: (order: { readonly seed: number; readonly epoch: number }) => {
        const elements = inner.iterator(order);
        const own: ElementIterator<{ x: Tensor; y: Tensor }> = {
          next: () => elements.next() as ReturnType<typeof own.next>,
          return: () => elements.return() as ReturnType<typeof own.return>,
          [Symbol.asyncIterator]: () => own,
        };
        return own;
      },
    };
    return [model, (options) => model.fit(source, { ...options, epochs: 2 })];
  },
  "half-accumulated gradients, averages of weights, momentum": (backend) => {
    const model = classifier(backend);
    model.compile({
      ...compiled,
      optimizer: optimizers.sgd({ momentum: 0.9, gradientAccumulationSteps: 3, useEma: true }),
    });
    return [model, (options) => model.fit(x, y, { ...options, batchSize: 5, epochs: 2 })];
  },
  "recurrent states": (backend) => {
    const model = sequential(
      [
        layers.lstm({ units: 3, batchSize: 2, inputShape: [T, D], stateful: true }),
        layers.dense({ units: C, activation: "softmax" }),
      ],
      { seed: 5, backend },
    );
    model.compile(compiled);
    return [
      model,
      (options) =>
        model.fit(x, y, {
          ...options,
          ...{ batchSize: 2, epochs: 2, shuffle: false, validationData: [x, y] },
        }),
    ];
  },
  "several outputs, tables, a loss of one's own": (backend) => {
    const words = input({ shape: [T], dtype: "int32", name: "words" });
    const read = layers
      .lstm({ units: 3 })
      .apply(layers.embedding({ inputDim: 9, outputDim: 4 }).apply(words));
    const model = functional({
      inputs: { words },
      outputs: {
        kind: layers
          .dense({ units: C, activation: "softmax" })
          .apply(layers.dropout({ rate: 0.4 }).apply(read)),
        size: layers.dense({ units: 1 }).apply(read),
      },
      ...{ seed: 5, backend },
    });
    model.compile({
      optimizer: optimizers.rmsprop(),
      loss: { kind: "sparseCategoricalCrossentropy", size: "meanSquaredError" },
    });
    const ids = new Tensor(
      Int32Array.from({ length: N * T }, (_, i) => (i * 5) % 9),
      [N, T],
      "int32",
    );
    return [
      model as unknown as Model,
      (options) => model.fit({ words: ids }, { kind: y, size: z }, { ...options, batchSize: 6, epochs: 2 }),
    ];
  },
};

/** Fits that go on, on any backend. */
export function resumingContract(make: () => Promise<Backend>): void {
  let backend: Backend;
  let folder: string;
  beforeAll(async () => {
    backend = await make();
  });
  afterAll(() => backend.close());
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), "rondo-resuming-")), "kept");
  });
  afterEach(() => {
    vi.restoreAllMocks();
    rmSync(join(folder, ".."), { recursive: true });
  });

  const training = (name: string): Training => {
    const [model, train] = trainings[name]?.(backend) ?? [];
    if (model === undefined || train === undefined) throw new Error(`no training ${name}`);
    return {
      model,
      fit: (more, signal) => train({ callbacks: more, verbose: 0, ...(signal && { signal }) }),
    };
  };
  const keep = (options = {}) => callbacks.backupAndRestore(folder, { epochs: 100, ...options });

  describe.each(Object.keys(trainings))("a fit of %s", (name) => {
    it("that goes on from any batch ends in the same bits", async () => {
      const alone = training(name);
      let steps = 0;
      const { history } = await alone.fit([{ onTrainBatchEnd: () => void steps++ }]);
      const end = await alone.model.snapshot();
      expect(steps).toBeGreaterThan(5);
      for (let at = 1; at < steps; at++) {
        const abort = new AbortController();
        let step = 0;
        const counting = { onTrainBatchEnd: () => void (++step === at && abort.abort()) };
        await training(name).fit([keep(), counting], abort.signal);
        expect(readdirSync(folder), `after batch ${at}`).toEqual(["checkpoint-000001.keras"]);
        const rest = training(name);
        expect((await rest.fit([keep()])).history, `after batch ${at}`).toEqual(history);
        expect(await rest.model.snapshot(), `after batch ${at}`).toEqual(end);
        expect(readdirSync(folder)).toEqual([]);
      }
    });
  });

  const name = "arrays, validation, callbacks with a state";
  /** Leaves the checkpoints of a training that was aborted after so many batches. */
  async function interrupted(at: number, options = {}): Promise<void> {
    const abort = new AbortController();
    let step = 0;
    const counting = { onTrainBatchEnd: () => void (++step === at && abort.abort()) };
    await training(name).fit([keep(options), counting], abort.signal);
  }
  async function ended(): Promise<readonly [object, object]> {
    const { model, fit: train } = training(name);
    const { history } = await train([]);
    return [history, await model.snapshot()];
  }
  async function goesOn(): Promise<readonly [object, object]> {
    const { model, fit: train } = training(name);
    const { history } = await train([keep()]);
    return [history, await model.snapshot()];
  }

  it("is aborted within the validation, and goes on with the epoch's end", async () => {
    const abort = new AbortController();
    await training(name).fit([keep(), { onTestBegin: () => abort.abort() }], abort.signal);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(await goesOn()).toEqual(await ended());
  });

  it("is aborted between two epochs", async () => {
    const abort = new AbortController();
    await training(name).fit([keep(), { onEpochEnd: () => abort.abort() }], abort.signal);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(await goesOn()).toEqual(await ended());
  });

  it("keeps the newest checkpoints and the best model, and a fit that is done is not repeated", async () => {
    const options = { epochs: 1, monitor: "val_loss", deleteCheckpoint: false };
    const first = training(name);
    const { history } = await first.fit([keep(options)]);
    const files = readdirSync(folder);
    expect(files.filter((file) => file.startsWith("checkpoint-")).length).toBeLessThanOrEqual(2);
    expect(files).toContain("best.keras");
    const best = await loadModel(join(folder, "best.keras"), { backend });
    const losses = (history as { val_loss: number[] }).val_loss;
    expect((await best.evaluate(x.rows(17, N), y.slice(17), { batchSize: 5 }))[0]).toBe(Math.min(...losses));
    const again = training(name);
    let steps = 0;
    const counting = { onTrainBatchBegin: () => void steps++ };
    expect((await again.fit([keep(options), counting])).history).toEqual(history);
    expect(await again.model.snapshot()).toEqual(await first.model.snapshot());
    expect(steps).toBe(0);
  });

  it("opens a checkpoint as a model that goes on with the same optimizer", async () => {
    await interrupted(3);
    const loaded = await loadModel(join(folder, "checkpoint-000001.keras"), { backend });
    const { optimizer, step } = await loaded.snapshot();
    expect(step).toBeGreaterThan(0);
    expect(optimizer?.iterations).toBe(step);
    expect(optimizer?.slots.get("momentum")?.some(({ data }) => data.some((v) => v !== 0))).toBe(true);
  });

  it("goes on from the checkpoint before where the newest is damaged, and says so", async () => {
    await interrupted(7, { steps: 1 });
    const files = readdirSync(folder).sort();
    expect(files).toHaveLength(2);
    const newest = join(folder, files[1] ?? "");
    writeFileSync(newest, readFileSync(newest).subarray(0, 1000));
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    expect(await goesOn()).toEqual(await ended());
    expect(warn.mock.calls.flat().join("\n")).toContain(`going on from ${join(folder, files[0] ?? "")}`);
  });

  it("refuses a folder in which no checkpoint can be read", async () => {
    await interrupted(3);
    writeFileSync(join(folder, "checkpoint-000001.keras"), "PK");
    vi.spyOn(console, "warn").mockReturnValue();
    await expect(goesOn()).rejects.toThrow(
      /a checkpoint that cannot be read, expected at least one that is whole/,
    );
  });

  /** Changes what a checkpoint says of itself. */
  async function edited(change: object): Promise<void> {
    const file = join(folder, "checkpoint-000001.keras");
    const { metadata, config, groups } = await readKerasFile(readFileSync(file));
    const { checkpoint, ...rondo } = metadata.rondo as { checkpoint: object };
    const changed = { ...metadata, rondo: { ...rondo, checkpoint: { ...checkpoint, ...change } } };
    writeFileSync(file, await writeKerasFile({ metadata: changed, config, groups }));
  }

  it("refuses a checkpoint in another version of the format", async () => {
    await interrupted(3);
    await edited({ format: 2, rondo: "9.0.0" });
    await expect(goesOn()).rejects.toThrow(
      /received a checkpoint in version 2 of the format, written by Rondo 9\.0\.0, expected version 1/,
    );
  });

  it("goes on with another Rondo and other instructions, and says that bits may differ", async () => {
    await interrupted(3);
    await edited({ rondo: "0.0.1", computed: "native abacus" });
    const warn = vi.spyOn(console, "warn").mockReturnValue();
    expect(await goesOn()).toEqual(await ended());
    expect(warn.mock.calls.flat().join("\n")).toMatch(
      /was computed by Rondo 0\.0\.1, this is .*; and by native abacus, this is .*may differ in its last bits/,
    );
  });

  it("says what differs from the checkpoint", async () => {
    await interrupted(3);
    const model = classifier(backend);
    const options = { batchSize: 5, epochs: 4, validationSplit: 0.2, verbose: 0 } as const;
    const own = [
      keep(),
      callbacks.earlyStopping({ patience: 1, restoreBestWeights: true }),
      callbacks.reduceLROnPlateau({ patience: 1, factor: 0.3 }),
    ];
    const all = { ...options, callbacks: own };
    await expect(model.fit(x, y, { ...all, batchSize: 4 })).rejects.toThrow(
      /data\.batchSize: 4.*data\.batchSize: 5/,
    );
    await expect(model.fit(x.rows(0, 15), y.slice(0, 15), all)).rejects.toThrow(
      /data\.arrays\.x: float32 \[12, 3, 2\]/,
    );
    await expect(model.fit(x, y, { ...all, epochs: 3 })).rejects.toThrow(
      /epochs: 3, expected .*epochs: 4, or more/,
    );
    await expect(model.fit(x, y, { ...all, shuffle: false })).rejects.toThrow(/data\.shuffled: false/);
    await expect(model.fit(x, y, { ...options, callbacks: [keep()] })).rejects.toThrow(
      /callbacks that remember something.*EarlyStopping, ReduceLROnPlateau/,
    );
    model.compile({ ...compiled, optimizer: "nadam" });
    await expect(model.fit(x, y, all)).rejects.toThrow(/compile\.optimizer\.class_name: Nadam.*Adam/);
    const other = sequential([layers.lstm({ units: 4, inputShape: [T, D] }), layers.dense({ units: C })], {
      seed: 5,
      backend,
    });
    other.compile(compiled);
    await expect(other.fit(x, y, all)).rejects.toThrow(/model\.config\.layers/);
    const seeded = sequential([layers.dense({ units: C, inputShape: [T, D] })], { seed: 6, backend });
    seeded.compile(compiled);
    await expect(seeded.fit(x, y, all)).rejects.toThrow(
      /the model's seed: 6, expected .* the model's seed: 5/,
    );
    expect(readdirSync(folder)).toEqual(["checkpoint-000001.keras"]);
  });

  it("takes the seed of a model without one from the checkpoint, and trains for longer", async () => {
    const make = () => {
      const model = sequential(
        [layers.lstm({ units: 3, inputShape: [T, D], dropout: 0.5 }), layers.dense({ units: 1 })],
        {
          backend,
        },
      );
      model.compile({ optimizer: "adam", loss: "meanSquaredError" });
      return model;
    };
    const options = { batchSize: 5, verbose: 0, callbacks: [keep({ deleteCheckpoint: false })] } as const;
    const first = make();
    await first.fit(x, z, { ...options, epochs: 2 });
    const rest = make();
    const { epoch } = await rest.fit(x, z, { ...options, epochs: 4 });
    expect(rest.seed).toBe(first.seed);
    expect(epoch).toEqual([0, 1, 2, 3]);
    await first.fit(x, z, { batchSize: 5, verbose: 0, initialEpoch: 2, epochs: 4 });
    expect(await rest.getWeights()).toEqual(await first.getWeights());
  });

  it("ends with the error where a checkpoint cannot be written, and leaves the last good one", async () => {
    const aside = `${folder}-aside`;
    let written = 0;
    const blocking: CallbackHooks = {
      async onEpochEnd() {
        if (++written !== 2) return;
        while (readdirSync(folder).join() !== "checkpoint-000001.keras") await setTimeout(2);
        renameSync(folder, aside);
        writeFileSync(folder, "a file in the place of the folder");
      },
    };
    await expect(training(name).fit([keep({ epochs: 1 }), blocking])).rejects.toThrow(
      /received a path with a file where a folder should be/,
    );
    expect(readdirSync(aside)).toEqual(["checkpoint-000001.keras"]);
    rmSync(folder);
    renameSync(aside, folder);
    expect(await goesOn()).toEqual(await ended());
  });

  it("refuses a folder that cannot be written before anything is trained", async () => {
    writeFileSync(join(folder, "..", "file"), "");
    const below = callbacks.backupAndRestore(join(folder, "..", "file", "kept"));
    let steps = 0;
    await expect(training(name).fit([below, { onTrainBatchBegin: () => void steps++ }])).rejects.toThrow(
      /a path with a file where a folder should be/,
    );
    await expect(training(name).fit([keep(), keep()])).rejects.toThrow(/2 backupAndRestore for one fit/);
    expect(steps).toBe(0);
  });
}
