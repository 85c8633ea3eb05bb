import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CallbackList, type CallbackModel, type CallbackParams, type Logs } from "./callback.js";
import { CSVLogger } from "./csvLogger.js";
import { formatted, ModelCheckpoint, type ModelCheckpointOptions } from "./modelCheckpoint.js";
import { Monitor } from "./monitor.js";
import { ReduceLROnPlateau, type ReduceLROnPlateauOptions } from "./reduceLROnPlateau.js";

const params: CallbackParams = {
  epochs: 3,
  steps: 2,
  samples: 10,
  batchSize: 5,
  verbose: 0,
  seed: 1,
  metrics: ["loss"],
  inputs: [],
};

/** A model that remembers which files it wrote. */
function fakeModel(): CallbackModel & { readonly saved: string[] } {
  const saved: string[] = [];
  return {
    stopTraining: false,
    learningRate: 0.1,
    saved,
    getWeights: async () => [],
    setWeights: async () => {},
    save: async (path) => void saved.push(path),
    saveWeights: async (path) => void saved.push(`weights ${path}`),
  };
}

/** Calls the hooks of epochs of two batches with these logs; returns the model and its learning rate after each epoch. */
async function train(callback: ReduceLROnPlateau | CSVLogger | ModelCheckpoint, epochs: readonly Logs[]) {
  const model = fakeModel();
  const list = new CallbackList([callback], model, params);
  const rates: number[] = [];
  await list.begin("Train");
  for (const [epoch, logs] of epochs.entries()) {
    await list.epochBegin(epoch);
    for (const batch of [0, 1]) await list.batchEnd("Train", batch, { loss: (logs.loss ?? 0) + 1 - batch });
    await list.epochEnd(epoch, logs);
    rates.push(Number(model.learningRate.toPrecision(8)));
  }
  await list.end("Train");
  return { model, rates };
}

describe("monitors", () => {
  it.each([
    ["val_loss", -1],
    ["mae", -1],
    ["val_accuracy", 1],
    ["auc", 1],
    ["out_f1Score", 1],
    ["falseNegatives", -1],
  ])("tell from the name %s which way is better", (monitor, sign) => {
    expect(new Monitor("x", { monitor }).improves(0.5 + sign * 0.1, 0.5)).toBe(true);
    expect(new Monitor("x", { monitor }).improves(0.5 - sign * 0.1, 0.5)).toBe(false);
  });
});

// Figures and rates are those of Keras 3.15.1 with the same options.
describe("reduceLROnPlateau", () => {
  const figures = [1, 0.9, 0.95, 0.93, 0.92, 0.91, 0.91, 0.91, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6];
  const cases: readonly (readonly [ReduceLROnPlateauOptions, readonly number[]])[] = [
    [
      { patience: 2, factor: 0.5 },
      [0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125, 0.0125, 0.00625, 0.00625, 0.003125, 0.003125],
    ],
    [
      { patience: 2, factor: 0.5, cooldown: 2 },
      [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025, 0.0125, 0.0125, 0.0125, 0.00625],
    ],
    [{ patience: 1, factor: 0.1, minLr: 0.02 }, [0.1, 0.1, ...Array<number>(12).fill(0.02)]],
    [
      { patience: 2, factor: 0.5, mode: "max" },
      [
        0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125, 0.00625, 0.00625, 0.003125, 0.003125, 0.0015625,
        0.0015625,
      ],
    ],
  ];
  it.each(cases)("with %j lowers the learning rate when Keras does", async (options, expected) => {
    const callback = new ReduceLROnPlateau({ monitor: "loss", ...options });
    const { rates } = await train(
      callback,
      figures.map((loss) => ({ loss })),
    );
    expect(rates).toEqual(expected);
  });

  it("reports the learning rate of the epoch, and refuses a factor of 1 and figures that are not there", async () => {
    const logs: Logs = { loss: 1 };
    await train(new ReduceLROnPlateau({ monitor: "loss" }), [logs]);
    expect(logs.learningRate).toBe(0.1);
    expect(() => new ReduceLROnPlateau({ factor: 1 })).toThrow(
      "received factor: 1, expected a factor below 1",
    );
    await expect(train(new ReduceLROnPlateau(), [{ loss: 1 }])).rejects.toThrow(
      'reduceLROnPlateau: received monitor: "val_loss", which this training does not report',
    );
  });
});

describe("csvLogger", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rondo-csv-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const epochs = [
    { loss: 0.5, acc: 0.25 },
    { loss: 0.25, new: 3 },
  ];
  const header = "epoch,acc,loss,val_acc,val_loss\r\n";

  it("writes Keras's columns and rows, and adds to what is there where asked", async () => {
    const path = join(folder, "new", "log.csv");
    await train(new CSVLogger(path), epochs);
    const first = `${header}0,0.25,0.5,NA,NA\r\n1,NA,0.25,NA,NA\r\n`;
    expect(await readFile(path, "utf8")).toBe(first);
    await train(new CSVLogger(path, { append: true, separator: ";" }), epochs.slice(0, 1));
    expect(await readFile(path, "utf8")).toBe(`${first}0;0.25;0.5;NA;NA\r\n`);
    await train(new CSVLogger(path, { separator: ";" }), [{ loss: 1, val_loss: 2 }]);
    expect(await readFile(path, "utf8")).toBe("epoch;loss;val_loss\r\n0;1;2\r\n");
  });

  it("gives the text to a function", async () => {
    const texts: string[] = [];
    const logger = new CSVLogger((csv) => void texts.push(csv));
    await train(logger, epochs);
    expect(texts[0]).toBe(`${header}0,0.25,0.5,NA,NA\r\n`);
    expect(texts).toHaveLength(2);
    expect(() => new CSVLogger("")).toThrow("the path of a file, or a function");
    expect(() => new CSVLogger("x.csv", { separator: ", " })).toThrow("one character");
  });
});

describe("modelCheckpoint", () => {
  const run = async (options: Partial<ModelCheckpointOptions>, losses: readonly number[]) => {
    const callback = new ModelCheckpoint({
      filepath: "{epoch}.keras",
      monitor: "val_loss",
      ...options,
    });
    const { model } = await train(
      callback,
      losses.map((loss) => ({ loss, val_loss: loss })),
    );
    return model.saved;
  };

  it("writes after each epoch, after the best ones alone, or after so many batches", async () => {
    expect(await run({}, [3, 2, 4])).toEqual(["1.keras", "2.keras", "3.keras"]);
    expect(await run({ saveBestOnly: true }, [3, 2, 4, 1])).toEqual(["1.keras", "2.keras", "4.keras"]);
    expect(await run({ saveBestOnly: true, mode: "max" }, [3, 2, 4])).toEqual(["1.keras", "3.keras"]);
    expect(await run({ saveBestOnly: true, initialValueThreshold: 2.5 }, [3, 2])).toEqual(["2.keras"]);
    expect(await run({ saveFreq: 3, filepath: "{epoch}-{batch}-{loss:.1f}.keras" }, [1, 2, 3, 4])).toEqual([
      "2-1-3.0.keras",
      "3-2-3.0.keras",
    ]);
    expect(await run({ saveWeightsOnly: true, filepath: "w.safetensors" }, [1])).toEqual([
      "weights w.safetensors",
    ]);
  });

  it("says what it writes", async () => {
    const said = vi.spyOn(console, "log").mockImplementation(() => {});
    await run({ saveBestOnly: true, verbose: 1 }, [3, 4]);
    expect(said.mock.calls.map(([text]) => text)).toEqual([
      "Epoch 1: val_loss improved from none to 3.00000",
      "Epoch 1: saved the model to 1.keras",
      "Epoch 2: val_loss did not improve from 3.00000",
    ]);
    said.mockRestore();
  });

  it("refuses paths of other formats, and names that are not reported", async () => {
    expect(() => new ModelCheckpoint({ filepath: "model.h5" })).toThrow("a path that ends in .keras");
    expect(() => new ModelCheckpoint({ filepath: "m.keras", saveWeightsOnly: true })).toThrow(".safetensors");
    expect(() => new ModelCheckpoint({ filepath: "m.keras", saveFreq: 0 })).toThrow("saveFreq: 0");
    await expect(run({ filepath: "{val_acc}.keras" }, [1])).rejects.toThrow("Pass validationData");
    await expect(run({ filepath: "{loss:s}.keras" }, [1])).rejects.toThrow("a format of numbers");
  });

  // What Python 3 makes of the same.
  it.each([
    ["m-{epoch:02d}-{val_loss:.2f}.keras", "m-03-0.12.keras"],
    ["{loss}", "1.0"],
    ["{acc:.3%}", "98.765%"],
    ["{x}", "1e-05"],
    ["{x:.2e}", "1.00e-05"],
    ["{x:g}", "1e-05"],
    ["{big:g}", "1.23457e+08"],
    ["{acc:.2g}", "0.99"],
    ["{acc}", "0.98765"],
    ["{n:06.1f}", "-000.5"],
    ["{n:8.3f}", "  -0.500"],
    ["{epoch:4d}", "   3"],
    ["{{x}}{batch}", "{x}12"],
    ["{val_loss:.1f}", "0.1"],
  ])("formats %s as Python does", (text, expected) => {
    const values = {
      epoch: 3,
      batch: 12,
      val_loss: 0.125,
      loss: 1,
      acc: 0.98765,
      x: 1e-5,
      big: 123456789,
      n: -0.5,
    };
    expect(formatted(text, values)).toBe(expected);
  });
});
