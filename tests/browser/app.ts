// What a user's app does with Rondo. It runs in Node and, as a module of its own or bundled, in a page.
import { type BackendOptions, createBackend, layers, optimizers, sequential, tensor } from "rondo";

/** Images [N, 28, 28] from 0 to 1, and their digits [N]. */
export interface Digits {
  readonly images: Float32Array;
  readonly labels: Int32Array;
}

/** Everything a training leaves, in numbers to compare. */
export interface Outcome {
  readonly backend: string;
  readonly threads: number;
  /** Of every batch, in order. */
  readonly losses: readonly number[];
  readonly history: Readonly<Record<string, readonly number[]>>;
  /** For the first image: by `predict` and by `predictSync`. */
  readonly prediction: readonly number[];
  readonly predictionSync: readonly number[];
  /** How often a timer of 1 ms fired during the training: never, if that blocked the thread. */
  readonly ticks: number;
}

/** Trains an LSTM for two epochs from a fixed seed. */
export async function train({ images, labels }: Digits, options: BackendOptions): Promise<Outcome> {
  const backend = await createBackend(options);
  const model = sequential(
    [
      layers.lstm({ units: 32, inputShape: [28, 28], dropout: 0.1 }),
      layers.dense({ units: 10, activation: "softmax" }),
    ],
    { seed: 7, backend },
  );
  model.compile({
    optimizer: optimizers.adam({ learningRate: 0.01 }),
    loss: "sparseCategoricalCrossentropy",
    metrics: ["accuracy"],
  });
  const x = tensor(images, [labels.length, 28, 28]);
  const losses: number[] = [];
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  const { history } = await model.fit(x, tensor(labels), {
    batchSize: 20,
    epochs: 2,
    validationSplit: 0.25,
    verbose: 0,
    callbacks: [{ onTrainBatchEnd: (_batch, { loss = Number.NaN }) => void losses.push(loss) }],
  });
  clearInterval(timer);
  await model.ready();
  const first = x.rows(0, 1);
  const outcome = {
    backend: backend.name,
    threads: backend.capabilities.threads,
    losses,
    history,
    prediction: [...(await model.predict(first)).data],
    predictionSync: [...model.predictSync(first).data],
    ticks,
  };
  await backend.close();
  return outcome;
}

/** The messages of mistakes that a page can make. */
export async function mistakes(): Promise<readonly string[]> {
  const model = sequential([layers.dense({ units: 2, inputShape: [3] })], { seed: 1 });
  model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
  const rows = (count: number, width: number) => tensor(new Float32Array(count * width), [count, width]);
  await model.ready();
  const fitting = async () => {
    const fit = model.fit(rows(64, 3), rows(64, 2), { verbose: 0 });
    try {
      model.predictSync(rows(1, 3));
    } finally {
      await fit;
    }
  };
  return [
    await messageOf(() => model.fit(rows(4, 5), rows(4, 2), { verbose: 0 })),
    await messageOf(() => model.fit(rows(4, 3), rows(3, 2), { verbose: 0 })),
    await messageOf(fitting),
    await messageOf(() => createBackend({ backend: "native" })),
    await messageOf(() => createBackend({ threads: 0 })),
  ];
}

/** The message that a backend's start fails with. */
export const startFailure = (options: BackendOptions): Promise<string> =>
  messageOf(async () => (await createBackend(options)).close());

async function messageOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "no error";
  } catch (error) {
    return String(error);
  }
}
