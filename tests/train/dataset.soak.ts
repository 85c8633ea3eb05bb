import { expect, it } from "vitest";
import { Dataset } from "../../src/data/index.js";
import { createBackend, layers, sequential } from "../../src/index.js";
import { uniform } from "../golden/load.js";
import { share, shareOf } from "../soak.js";

const [T, mebibyte, gibibyte] = [20, 2 ** 20, 2 ** 30];

/** Rows of T numbers and the class that is 1 where their sum is above 0. */
function csv(rows: number): Uint8Array {
  const values = uniform(1, rows * T);
  const lines = Array.from({ length: rows }, (_, n) => {
    const row = values.subarray(n * T, (n + 1) * T);
    return [...[...row].map((v) => v.toFixed(6)), row.reduce((a, b) => a + b, 0) > 0 ? 1 : 0].join(",");
  });
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

/** A text of so many bytes, or a few more, made while it is read. */
async function* streamed(bytes: number): AsyncGenerator<Uint8Array> {
  const piece = csv(40_000);
  for (let sent = 0; sent < bytes; sent += piece.length)
    for (let at = 0; at < piece.length; at += 2 ** 18) yield piece.slice(at, at + 2 ** 18);
}

function elementOf(line: string): { x: { data: Float32Array; shape: readonly number[] }; y: number } {
  const fields = line.split(",");
  const data = new Float32Array(T);
  for (let t = 0; t < T; t++) data[t] = Number(fields[t]);
  return { x: { data, shape: [T, 1] }, y: Number(fields[T]) };
}

it("trains on 5 GB of CSV within 1 GiB, without holding up the event loop", async () => {
  const bytes = shareOf(5e9, 5e7);
  const dataset = Dataset.fromGenerator(() => Dataset.fromTextLines(streamed(bytes)))
    .shuffle(10_000)
    .map(elementOf)
    .batch(512)
    .prefetch(2);
  const backend = await createBackend({});
  const model = sequential(
    [layers.simpleRNN({ units: 8, inputShape: [T, 1] }), layers.dense({ units: 1, activation: "sigmoid" })],
    { seed: 1, backend },
  );
  model.compile({ optimizer: "adam", loss: "binaryCrossentropy", metrics: ["accuracy"] });
  let [peak, turns] = [0, 0];
  const early = process.memoryUsage().rss;
  const timer = setInterval(() => {
    turns++;
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 50);
  const begin = performance.now();
  const { history } = await model.fit(dataset, { verbose: 0 });
  const took = performance.now() - begin;
  clearInterval(timer);
  const inMebibytes = (count: number) => `${(count / mebibyte).toFixed(0)} MiB`;
  console.log(
    `${(bytes / 1e9).toFixed(2)} GB in ${(took / 1000).toFixed(0)} s (share ${share}); memory ${inMebibytes(early)}, at most ${inMebibytes(peak)}`,
  );
  expect(peak).toBeLessThan(gibibyte);
  // A timer of 50 ms on a loop that is never held for long; half of its turns is leave for a busy machine.
  expect(turns).toBeGreaterThan(took / 100);
  expect(history.accuracy?.[0]).toBeGreaterThan(0.7);
  await backend.close();
});
