import type { ElementSource } from "../data/datasetIterator.js";
import { checkCount, checkOptions } from "../errors.js";
import type { Place } from "../runtime/backend.js";
import { sizeOf, Tensor } from "../tensor.js";
import { arrayFeed } from "../train/feed.js";
import { runPrediction } from "../train/fit.js";
import { countOf, type Data } from "./feeds.js";
import { type DatasetLookOptions, optionNames, type PredictOptions } from "./options.js";
import { type Host, heldFor, taken } from "./runs.js";
import { runOf, streams } from "./training.js";
import type { Effect } from "./turns.js";

/** What a prediction does: one that changes recurrent states is not let in between the steps of a fit. */
export const predictionEffect = ({ built }: Host): Effect =>
  built?.stateful === true ? "write" : "prediction";

/** The place of predictions among the runs of the backend: what a callback asks for comes after the steps before it. */
export const predictionPlace = ({ turns }: Host): Place =>
  turns.inCallback ? "overtakingOthers" : "overtaking";

/** The outputs for arrays, in the order of the model's. */
export async function predictArrays(
  host: Host,
  method: CallableFunction,
  x: Data,
  options: PredictOptions,
): Promise<readonly Tensor<"float32">[]> {
  const where = "predict";
  checkOptions(where, options, optionNames.predict);
  if (options.batchSize !== undefined) checkCount(where, "batchSize", options.batchSize, 1);
  const given = taken(where, x, host.ports);
  const place = predictionPlace(host);
  return await host.turns.take({ method, quick: true }, predictionEffect(host), async (submitted) => {
    const { runs, rows: data } = host.input(where, await given);
    const rows = countOf(data);
    if (runs.rows !== undefined) runs.checkRows(where, data, options.batchSize ?? runs.rows);
    const engine = await host.engine();
    const { batchSize = await runs.predictionRows(engine, data), verbose = 0 } = options;
    const run = runOf(host, where, { ...options, verbose });
    const source = runs.source(engine, "predict", data, undefined, {
      // Steps of a fit must not come between: all batches see the same weights.
      place: rows > batchSize ? "overtakingOthers" : place,
      submitted: heldFor(run, submitted),
    });
    const first = Math.min(rows, batchSize);
    await source.plan(first);
    const outputs = source.shapes(first).map(([, ...size]) => {
      return new Tensor(new Float32Array(rows * sizeOf(size)), [rows, ...size], "float32");
    });
    let row = 0;
    const room = (batch: { readonly rows: number }) => {
      const first = row;
      row += batch.rows;
      return outputs.map(({ data: all }) => {
        const width = all.length / rows;
        return all.subarray(first * width, row * width);
      });
    };
    await runPrediction(host.model, arrayFeed(source, batchSize), room, run);
    return outputs;
  });
}

/** The outputs for the batches of a dataset, one below the other. */
export async function predictDataset(
  host: Host,
  method: CallableFunction,
  dataset: ElementSource<unknown>,
  options: DatasetLookOptions,
): Promise<readonly Tensor<"float32">[]> {
  const where = "predict";
  const run = runOf(host, where, { ...options, verbose: options.verbose ?? 0 });
  return await host.turns.take({ method }, predictionEffect(host), async (submitted) => {
    const { lookingStream, predicted } = await streams();
    const feed = await lookingStream(host, dataset, where, options, heldFor(run, submitted));
    return await predicted(host, feed, run).finally(() => feed.close());
  });
}
