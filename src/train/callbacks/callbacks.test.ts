import { describe, expect, it, vi } from "vitest";
import { historyCsv, historyJson } from "../../report/history.js";
import { type Tensor, tensor, zeros } from "../../tensor.js";
import { losses } from "../losses.js";
import { targetBounds } from "../measure.js";
import type { DataArray } from "../samples.js";
import {
  Callback,
  type CallbackHooks,
  CallbackList,
  type CallbackModel,
  type CallbackParams,
} from "./callback.js";
import { EarlyStopping, type EarlyStoppingOptions } from "./earlyStopping.js";
import { History } from "./history.js";
import { LearningRateScheduler } from "./learningRateScheduler.js";
import { TerminateOnNaN, WarnOnNaN } from "./terminateOnNaN.js";

const params = (changes: Partial<CallbackParams> = {}): CallbackParams => ({
  epochs: 3,
  steps: 2,
  samples: 10,
  batchSize: 5,
  verbose: 0,
  seed: 1,
  metrics: ["loss"],
  inputs: [],
  ...changes,
});

/** A model whose weights are the number of the epoch. */
function fakeModel(): CallbackModel & { weights: number } {
  return {
    stopTraining: false,
    learningRate: 0.1,
    weights: 0,
    async getWeights() {
      return [tensor(Float32Array.of(this.weights)) as Tensor<"float32">];
    },
    async setWeights([first]) {
      this.weights = first?.data[0] ?? Number.NaN;
    },
    async save() {},
    async saveWeights() {},
  };
}

/** Runs a callback over the figures of several epochs; returns the model and the number of epochs it saw. */
async function train(callback: CallbackHooks, name: string, figures: readonly number[]) {
  const model = fakeModel();
  const list = new CallbackList([callback], model, params());
  await list.begin("Train");
  let epochs = 0;
  for (const value of figures) {
    if (model.stopTraining) break;
    await list.epochBegin(epochs);
    model.weights = epochs;
    await list.epochEnd(epochs++, { loss: 1, [name]: value });
  }
  await list.end("Train");
  return { model, epochs };
}

describe("CallbackList", () => {
  it("calls every hook in order, the objects one after the other", async () => {
    const calls: string[] = [];
    const note = (text: string) => async () => {
      await Promise.resolve();
      calls.push(text);
    };
    const first: CallbackHooks = { onBatchEnd: note("a batch"), onTrainBatchEnd: note("a train batch") };
    const second: CallbackHooks = {
      onTrainBatchEnd: note("b train batch"),
      onTestBatchEnd: note("b test batch"),
    };
    const list = new CallbackList([first, second], fakeModel(), params());
    await list.batchEnd("Train", 0, {});
    await list.batchEnd("Test", 0, {});
    expect(calls).toEqual(["a batch", "a train batch", "b train batch", "b test batch"]);
  });
  it("says that the model is there during a run only", () => {
    expect(() => new Callback().model).toThrow("received a read of model outside of a run");
  });
});

describe("History", () => {
  it("keeps the figures of each epoch", async () => {
    const history = new History();
    await train(history, "val_loss", [3, 2]);
    expect(history.epoch).toEqual([0, 1]);
    expect(history.history).toEqual({ loss: [1, 1], val_loss: [3, 2] });
  });

  it.each(["__proto__", "constructor", "toString", "a,b"])("keeps a figure named %s", async (name) => {
    const history = new History();
    const logs = Object.fromEntries([[name, 3]]);
    await history.onEpochEnd(0, logs);
    await history.onEpochEnd(1, logs);
    expect(Object.entries(history.history)).toEqual([[name, [3, 3]]]);
    expect(JSON.parse(historyJson(history))).toHaveProperty([name], [3, 3]);
    expect(historyCsv(history)).toBe(`epoch,${name === "a,b" ? '"a,b"' : name}\r\n1,3\r\n2,3\r\n`);
  });
});

describe("EarlyStopping", () => {
  const stop = (options: EarlyStoppingOptions, figures: readonly number[], name = "val_loss") => {
    const callback = new EarlyStopping({ monitor: name, ...options });
    return train(callback, name, figures).then((result) => ({ ...result, callback }));
  };
  // The expected numbers of epochs are those of keras.callbacks.EarlyStopping on the same figures.
  it.each<[string, EarlyStoppingOptions, number[], number]>([
    ["at the first worse epoch", {}, [3, 2, 2.5, 1], 3],
    ["after patience epochs", { patience: 2 }, [3, 2, 2.5, 2.4, 1], 4],
    ["counting anew after an improvement", { patience: 2 }, [3, 4, 2, 3, 3, 1], 5],
    ["when improvements are too small", { minDelta: 0.5 }, [3, 2.6, 2], 2],
    ["when the baseline is not reached", { baseline: 1, patience: 2 }, [3, 2, 1.5, 1.7, 0.5], 4],
    ["not before startFromEpoch", { startFromEpoch: 3 }, [1, 2, 3, 4, 5, 6], 5],
    ["when more is worse", { mode: "max" }, [1, 2, 1.5, 3], 3],
    ["never in the first epoch", { baseline: 0 }, [3], 1],
    ["on NaN", {}, [1, Number.NaN, 0.5], 2],
  ])("stops %s", async (_name, options, figures, epochs) => {
    expect((await stop(options, figures)).epochs).toBe(epochs);
  });
  it("wants more of an accuracy", async () => {
    expect((await stop({}, [0.1, 0.2, 0.15, 0.3], "val_accuracy")).epochs).toBe(3);
  });
  it("restores the weights of the best epoch", async () => {
    const { model, callback } = await stop({ patience: 2, restoreBestWeights: true }, [3, 2, 2.5, 2.4, 1]);
    expect(model.weights).toBe(1);
    expect([callback.bestEpoch, callback.stoppedEpoch]).toEqual([1, 3]);
    const complete = await stop({ patience: 9, restoreBestWeights: true }, [3, 1, 2]);
    expect(complete.model.weights).toBe(1);
  });
  it("keeps the last weights otherwise", async () => {
    expect((await stop({ patience: 1 }, [3, 2, 2.5, 1])).model.weights).toBe(2);
  });
  it.each<[object, string]>([
    [{ monitor: 3 }, "monitor: 3"],
    [{ restoreBestWeights: "no" }, 'restoreBestWeights: "no"'],
    [{ mode: 3 }, 'mode "3"'],
  ])("refuses %o", (options, received) => {
    expect(() => new EarlyStopping(options)).toThrow(received);
  });
  it("takes no part of an object for a figure", async () => {
    await expect(train(new EarlyStopping({ monitor: "constructor" }), "a", [1])).rejects.toThrow(
      "does not report",
    );
  });
  it("names a figure that is not there", async () => {
    await expect(train(new EarlyStopping(), "accuracy", [1])).rejects.toThrow(
      'earlyStopping: received monitor: "val_loss", which this training does not report, expected one of loss, accuracy. Pass validationData',
    );
  });
});

describe("LearningRateScheduler", () => {
  it("sets the rate and logs it", async () => {
    const history = new History();
    const both = new LearningRateScheduler((epoch, rate) => (epoch === 0 ? rate : rate / 2));
    const model = fakeModel();
    const list = new CallbackList([both, history], model, params());
    for (const epoch of [0, 1, 2]) {
      await list.epochBegin(epoch);
      await list.epochEnd(epoch, { loss: 1 });
    }
    expect(model.learningRate).toBe(0.025);
    expect(history.history.learningRate).toEqual([0.1, 0.05, 0.025]);
  });
  it("refuses what is no function", () => {
    expect(() => new LearningRateScheduler(0.1 as never)).toThrow("received 0.1 for a schedule");
  });
  it("refuses what is no number", async () => {
    const list = new CallbackList([new LearningRateScheduler(() => Number.NaN)], fakeModel(), params());
    await expect(list.epochBegin(4)).rejects.toThrow("received NaN from the schedule for epoch 4");
  });
});

describe("a loss that is not finite", () => {
  const clean = tensor([
    [1, 2],
    [3, 4],
  ]);
  const table = tensor([
    [1, 2],
    [3, Number.NaN],
  ]);
  const sequences = zeros([20, 5, 3]);
  sequences.data[17 * 15 + 3 * 3 + 1] = Number.NEGATIVE_INFINITY;
  const run = async (callback: CallbackHooks, loss: number, inputs: readonly DataArray[]) => {
    const list = new CallbackList([callback], fakeModel(), params({ inputs }));
    await list.begin("Train");
    await list.batchEnd("Train", 3, { loss });
    await list.batchEnd("Train", 4, { loss });
  };
  const given = (...arrays: Tensor[]) =>
    arrays.map((t, i) => ({ name: ["x", "y", "sampleWeight"][i] ?? "", tensor: t }));

  it("is let pass while it is finite", () => run(new TerminateOnNaN(), 2, given(table)));

  it.each<[string, readonly DataArray[], string]>([
    ["x", given(table, clean), "x holds NaN in row 1, column 1"],
    ["a sequence", given(sequences, clean), "x holds -Infinity in row 17, step 3"],
    ["y", given(clean, tensor([[0], [0], [Number.NaN]])), "y holds NaN in row 2"],
    ["weights", given(clean, clean, tensor([1, Number.NaN])), "sampleWeight holds NaN in row 1"],
    ["several", given(table, table), "x holds NaN in row 1, column 1, and y holds NaN in row 1, column 1"],
    [
      "a target that no mask leaves out",
      [
        { name: "x", tensor: clean },
        { name: "y", tensor: tensor([[[0], [2]]]), bounds: targetBounds(losses.binaryCrossentropy(), 1) },
      ],
      "y holds 2 in row 0, step 1, where a target that is not masked must be among numbers from 0 to 1",
    ],
  ])("ends the training with an error that names what is in %s", async (_, arrays, harm) => {
    await expect(run(new TerminateOnNaN(), Number.NaN, arrays)).rejects.toThrow(
      `terminateOnNaN: received a loss of NaN in batch 3 of epoch 1; ${harm}`,
    );
  });

  it("says what else may help where the data is clean", async () => {
    await expect(run(new TerminateOnNaN(), Number.POSITIVE_INFINITY, given(clean))).rejects.toThrow(
      "received a loss of Infinity in batch 3 of epoch 1, expected a finite loss. Lower the learning rate",
    );
  });

  it("is warned of once, with the same words", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    try {
      await run(new WarnOnNaN(), Number.NaN, given(table));
      await run(new WarnOnNaN(), Number.NaN, given(clean));
      expect(warn.mock.calls).toEqual([
        [expect.stringContaining("rondo: fit: the loss is NaN in batch 3 of epoch 1; x holds NaN in row 1")],
        [expect.stringMatching(/the data holds neither NaN nor infinities\. Lower the learning rate/)],
      ]);
    } finally {
      warn.mockRestore();
    }
  });
});
