// What a clock on one step does not show, each in a process of its own: node probes.mjs NAME THREADS. Prints one line of
// JSON: { "value": number, "text": "how it was found" }, the value in the unit of PROBE_LIMITS.

import { readFileSync, writeFileSync } from "node:fs";
import { rnnBackwardPack, rnnForwardPack } from "../dist/plan/sizes.js";
import { buildModel, rondo } from "./models.mjs";
import { WORKS } from "./peers/protocol.mjs";

const { createBackend, tensor } = rondo;

const [name, threads] = [process.argv[2], Number(process.argv[3])];
const { W1, W3 } = WORKS;
const [T, D] = W1.input;
const MiB = 2 ** 20;
const mebibytes = (bytes) => `${(bytes / MiB).toFixed(1)} MiB`;

const backend = await createBackend({ threads });

function data(rows) {
  const x = new Float32Array(rows * T * D);
  for (let i = 0; i < x.length; i++) x[i] = Math.random();
  return { x: tensor(x, [rows, T, D]), y: Int32Array.from({ length: rows }, (_, i) => i % W1.outputs) };
}

/** Bytes of memory in use now, and the most since `forget`. Linux says it exactly; elsewhere it is the process's most. */
const resident = {
  now: () => process.memoryUsage.rss(),
  forget() {
    if (process.platform === "linux") writeFileSync("/proc/self/clear_refs", "5");
  },
  most() {
    if (process.platform !== "linux") return process.resourceUsage().maxRSS * 1024;
    const [, kB] = /^VmHWM:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    return Number(kB) * 1024;
  },
};

/** Runs `work` and gives how many bytes the process grew meanwhile, at the most. */
async function growth(work) {
  globalThis.gc?.();
  resident.forget();
  const before = resident.now();
  await work();
  return resident.most() - before;
}

/** Milliseconds for which this thread has worked, where the system says it; else undefined. */
function worked() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return undefined;
  }
}

/** Runs `work` and finds the longest time in ms by which a timer of 1 ms came too late. */
async function longestBlock(work) {
  let [last, lastWorked] = [performance.now(), worked()];
  let longest = { block: 0, work: 0 };
  const look = () => {
    const [now, nowWorked] = [performance.now(), worked()];
    longest.block = Math.max(longest.block, now - last - 1);
    longest.work = Math.max(longest.work, nowWorked - lastWorked);
    [last, lastWorked] = [now, nowWorked];
  };
  const timer = setInterval(look, 1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  longest = { block: 0, work: 0 };
  await work();
  look();
  clearInterval(timer);
  const own = Number.isNaN(longest.work) ? "" : `; at work for ${longest.work.toFixed(1)} ms at most`;
  return { value: longest.block, text: `longest time between two turns of the event loop${own}` };
}

const probes = {
  /** The peak of a W1 training step over what it cannot do without. */
  async "memory of a W1 step"() {
    const { batch: B, units } = W1;
    const model = buildModel(W1, backend);
    const { state, training } = await model.memory({ batchSize: B });
    const { x, y } = data(B);
    const grown = await growth(async () => {
      for (let i = 0; i < 3; i++) await model.trainOnBatch(x, y);
    });
    const v = backend.capabilities.vectorWidth;
    const inputs = [D, ...units];
    const floats = {
      // Of each step: four gates, the cell state, the hidden state; and the batch itself.
      activations: units.reduce((n, H) => n + B * T * 6 * H, B * T * D),
      parameters: 4 * model.countParams(),
      packs: units.reduce((n, H, i) => {
        const shape = ["lstm", inputs[i], H, v];
        return n + rnnForwardPack(...shape) + rnnBackwardPack(...shape, i > 0);
      }, 0),
    };
    const needed = 4 * (floats.activations + floats.parameters + floats.packs);
    const planned = state + training;
    const text = `${mebibytes(planned)} planned of ${mebibytes(needed)} that it must keep; the process grew by ${mebibytes(grown)}`;
    return { value: planned / needed, text };
  },

  async "memory of predicting"() {
    const { x } = data(10_000);
    const grown = await growth(() => buildModel(W3, backend).predict(x));
    return { value: grown / MiB, text: "growth of the process while 10,000 images go through 2 × LSTM 256" };
  },

  async "event loop during fit"() {
    const { x, y } = data(10_000);
    const model = buildModel(W1, backend);
    return longestBlock(() => model.fit(x, y, { batchSize: 500, epochs: 2, verbose: 0 }));
  },

  async "event loop during predict"() {
    const { x } = data(10_000);
    const model = buildModel(W3, backend);
    return longestBlock(() => model.predict(x));
  },

  /** How much longer than a training step 95 of 100 predictions of one row take, while another model is in `fit`. */
  async "predict beside a fit, beyond a step"() {
    const { batch } = W1;
    const [trained, served] = [buildModel(W1, backend), buildModel(W1, backend)];
    const { x, y } = data(20 * batch);
    const row = x.rows(0, 1);
    await served.predict(row);
    const began = performance.now();
    await trained.fit(x, y, { batchSize: batch, epochs: 2, verbose: 0 });
    const step = (performance.now() - began) / 40;
    let training = true;
    const fitting = trained.fit(x, y, { batchSize: batch, epochs: 10, verbose: 0 }).then(() => {
      training = false;
    });
    const times = [];
    while (training) {
      await new Promise((resolve) => setTimeout(resolve, 5 + 10 * Math.random()));
      const start = performance.now();
      await served.predict(row);
      times.push(performance.now() - start);
    }
    await fitting;
    times.sort((a, b) => a - b);
    const of = (part) => times[Math.floor(part * (times.length - 1))];
    const text = `${times.length} predictions: half within ${of(0.5).toFixed(1)} ms, 95 of 100 within ${of(0.95).toFixed(1)} ms; a step takes ${step.toFixed(1)} ms`;
    return { value: Math.max(0, of(0.95) - step), text };
  },

  /** What the first step of a new batch size takes longer than its next ones. */
  async "compile of a new shape"() {
    const model = buildModel(W1, backend);
    const { x, y } = data(500);
    const step = async (rows) => {
      const start = performance.now();
      await model.trainOnBatch(x.rows(0, rows), y.subarray(0, rows));
      return performance.now() - start;
    };
    for (let i = 0; i < 5; i++) await step(500);
    const first = await step(499);
    const next = [];
    for (let i = 0; i < 5; i++) next.push(await step(499));
    const value = Math.max(0, first - Math.min(...next));
    return { value, text: "a first W1 step at batch 499, after 500, less a later one" };
  },
};

console.log(JSON.stringify(await probes[name]()));
await backend.close();
