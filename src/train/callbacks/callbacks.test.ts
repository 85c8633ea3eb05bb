import { describe, expect, it } from "vitest";
import { type Tensor, tensor } from "../../tensor.js";
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
import { TerminateOnNaN } from "./terminateOnNaN.js";

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
  it("refuses what is no number", async () => {
    const list = new CallbackList([new LearningRateScheduler(() => Number.NaN)], fakeModel(), params());
    await expect(list.epochBegin(4)).rejects.toThrow("received NaN from the schedule for epoch 4");
  });
});

describe("TerminateOnNaN", () => {
  const run = (loss: number, x: Tensor) => {
    const list = new CallbackList([new TerminateOnNaN()], fakeModel(), params({ inputs: [x] }));
    return list.batchEnd("Train", 3, { loss });
  };
  const clean = tensor([
    [1, 2],
    [3, 4],
  ]);
  it("lets finite losses pass", () => run(2, clean));
  it("finds NaN in the input", async () => {
    const dirty = tensor([
      [1, 2],
      [3, Number.NaN],
    ]);
    await expect(run(Number.NaN, dirty)).rejects.toThrow(
      "terminateOnNaN: received a loss of NaN in batch 3 of epoch 1; the input holds NaN in row 1",
    );
  });
  it("says what else may help where the input is clean", async () => {
    await expect(run(Number.POSITIVE_INFINITY, clean)).rejects.toThrow("Lower the learning rate");
  });
});
