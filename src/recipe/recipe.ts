import type { Run } from "./run.js";

/** What a recipe can be told; every recipe has a default of its own for the first three. */
export interface Settings {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Weights, dropout and the order of the samples follow from it. */
  readonly seed: number;
  /** The settings of the recipe's source exactly, without what Rondo's default adds. */
  readonly asInSource: boolean;
  /** Folder of the data; undefined: where the data set looks by itself. */
  readonly data: string | undefined;
}

/** One of the systems that Rondo comes with: a model, its data and the training that reaches its figure. */
export interface Recipe {
  /** As on the command line. */
  readonly name: string;
  /** One line. */
  readonly title: string;
  /** What the default adds to the source's settings and why, in a sentence; shown by `--help`. */
  readonly adds?: string;
  /** The test figure that its source prints. */
  readonly source: { readonly metric: "accuracy"; readonly value: number };
  /** What an epoch is called here: most recipes count epochs, some count steps. */
  readonly unit: "epoch" | "step";
  readonly defaults: Pick<Settings, "epochs" | "batchSize" | "learningRate">;
  /** From data to evaluated model. Everything that is printed or written goes through `run`. */
  train(settings: Settings, run: Run): Promise<void>;
}
