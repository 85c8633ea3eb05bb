import { cpus } from "node:os";
import { checkFolder, writeFiles } from "../formats/files.js";
import { encodeSafetensors } from "../formats/safetensors.js";
import type { Sequential } from "../models/sequential.js";
import { readHistory } from "../report/history.js";
import {
  type AnyHistory,
  type Classification,
  classification,
  historyCsv,
  historyJson,
  type RunHistory,
  renderReport,
} from "../report/index.js";
import type { Backend } from "../runtime/backend.js";
import type { Tensor } from "../tensor.js";
import { clock } from "../train/callbacks/progressBar.js";

/** How long and how fast a recipe trains. */
export interface Training {
  /** How many epochs or steps, whichever is the recipe's `unit`. */
  readonly count: number;
  readonly batchSize: number;
  /** Where the learning rate begins. */
  readonly learningRate: number;
}

/** What a recipe can be told. */
export interface Settings extends Training {
  /** Weights, dropout and the order of the samples follow from it. */
  readonly seed: number;
  /** The settings of the tutorial that the recipe follows exactly, without what Rondo's default adds. */
  readonly asInSource: boolean;
  /** Folder of the data; undefined: where the data set looks by itself. */
  readonly data: string | undefined;
}

/** The tutorial that a recipe follows. */
export interface Source {
  /** What it is, in words that go on from "Follows". */
  readonly title: string;
  /** Where it is, if that is known. */
  readonly address?: string;
  /** The figure on the test samples that is to be reached. */
  readonly metric: "accuracy";
  readonly value: number;
  readonly settings: Training;
}

/** One of the systems that Rondo comes with: a model, its data and the training that reaches its figure. */
export interface Recipe {
  /** As on the command line. */
  readonly name: string;
  /** One line. */
  readonly title: string;
  /** What the default adds to the tutorial's settings, in a sentence; shown by `rondo list`. */
  readonly adds?: string;
  readonly source: Source;
  /** What the length of a training is counted in. */
  readonly unit: "epoch" | "step";
  /** The settings that reach the figure on the average over seeds. */
  readonly defaults: Training;
  /** From data to evaluated model. Everything that is printed or written goes through `run`. */
  train(settings: Settings, run: Run): Promise<void>;
}

/** Where a run writes and how it speaks. */
export interface RunOptions {
  readonly recipe: Recipe;
  readonly settings: Settings;
  readonly backend: Backend;
  /** The run's folder: made, or the files of an earlier run in it replaced, when the run finishes. */
  readonly folder: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Nothing but errors is printed. */
  readonly quiet: boolean;
  /** One line of JSON at the end instead of text. */
  readonly json: boolean;
  print(text: string): void;
  /** Milliseconds; default: the machine's clock. */
  readonly now?: () => number;
}

/** What a finished run is known by; printed with `--json` and written to result.json. */
export interface RunResult {
  readonly recipe: string;
  readonly folder: string;
  /** Whether the training was cut short. */
  readonly interrupted: boolean;
  readonly backend: string;
  readonly seed: number;
  /** What `count` counts. */
  readonly unit: Recipe["unit"];
  /** Completed epochs or steps. */
  readonly count: number;
  readonly parameters: number;
  readonly testLoss: number;
  readonly testAccuracy: number;
  /** The test accuracy that is to be reached. */
  readonly sourceAccuracy: number;
  readonly trainingSeconds: number;
}

/** Least time between two drawings of a line about progress, and between two such lines in a log, ms. */
const drawingInterval = 50;
const writingInterval = 10_000;

/** One training run of a recipe: what it prints, and the folder it leaves behind. */
export class Run {
  readonly #options: RunOptions;
  readonly #now: () => number;
  #start: number;
  /** When something was last printed. */
  #printed: number;
  #result: RunResult | undefined;

  private constructor(options: RunOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#start = this.#printed = this.#now();
  }

  /** A run of which nothing is written yet, in a folder that can be written: one that cannot fails here, before anything is trained. */
  static async open(options: RunOptions): Promise<Run> {
    await checkFolder(options.folder, fileNames);
    return new Run(options);
  }

  get backend(): Backend {
    return this.#options.backend;
  }
  get signal(): AbortSignal {
    return this.#options.signal;
  }
  /** What `fit` prints: a progress bar on a terminal, a line per epoch and every ten seconds in a log, nothing when quiet. */
  get verbose(): 0 | 1 {
    return this.#options.quiet || this.#options.json ? 0 : 1;
  }
  get result(): RunResult | undefined {
    return this.#result;
  }

  /** Prints a line, unless the run is quiet or speaks JSON. */
  say(text: string): void {
    if (this.verbose === 0) return;
    if (process.stdout.isTTY) process.stdout.write("\r\u001b[K");
    this.#options.print(text);
    this.#printed = this.#now();
  }

  /**
   * Prints the model's table and where it runs; the clock of the training starts here.
   *
   * @throws the signal's reason when it was aborted before
   */
  begin(model: Sequential): void {
    this.signal.throwIfAborted();
    const lines: string[] = [];
    model.summary({ print: (line: string) => lines.push(line) });
    this.say(lines.join("\n"));
    this.say(`Running on ${this.#options.backend.name}, seed ${this.#options.settings.seed}.`);
    this.#start = this.#now();
  }

  /** Shows how far a training by hand is: a line that is drawn over on a terminal, one every ten seconds in a log. */
  progress(step: number, steps: number, figures: Readonly<Record<string, number>>): void {
    const drawn = process.stdout.isTTY;
    const now = this.#now();
    const due = now - this.#printed >= (drawn ? drawingInterval : writingInterval);
    if (this.verbose === 0 || (drawn ? !due && step !== steps : !due || step === steps)) return;
    const text = Object.entries(figures).map(([name, value]) => ` - ${name}: ${value.toFixed(4)}`);
    const left = clock(((steps - step) * (now - this.#start)) / step / 1000);
    const line = `step ${step}/${steps} - ${left} left${text.join("")}`;
    if (drawn) process.stdout.write(`\r\u001b[K${line}${step === steps ? "\n" : ""}`);
    else this.#options.print(line);
    this.#printed = now;
  }

  /** Evaluates on the test samples, prints the figures beside the one to reach, and writes the run's folder. */
  async finish(
    model: Sequential,
    measured: AnyHistory,
    test: { readonly x: Tensor; readonly y: Tensor; readonly images?: Tensor },
  ): Promise<void> {
    const { recipe, settings, folder, backend, signal } = this.#options;
    const trainingSeconds = (this.#now() - this.#start) / 1000;
    const history = readHistory("finish", measured);
    const count = history.positions.at(-1) ?? 0;
    const interrupted = signal.aborted && count < settings.count;
    const probabilities = await model.predict(test.x, { batchSize: 1000 });
    const [testLoss = Number.NaN, testAccuracy = Number.NaN] = await model.evaluate(test.x, test.y, {
      batchSize: 1000,
      verbose: 0,
    });
    const compared = classification(
      test.y,
      probabilities,
      test.images === undefined ? {} : { images: test.images },
    );
    const result: RunResult = {
      recipe: recipe.name,
      folder,
      interrupted,
      backend: backend.name,
      seed: settings.seed,
      unit: recipe.unit,
      count,
      parameters: model.countParams(),
      testLoss,
      testAccuracy,
      sourceAccuracy: recipe.source.value,
      trainingSeconds,
    };
    this.#result = result;
    const weights = await model.getWeights();
    const names = model.weightNames();
    const files: Record<(typeof fileNames)[number], string | Uint8Array> = {
      "config.json": json(this.#configuration()),
      "weights.safetensors": encodeSafetensors(
        weights.map((weight, i) => [names[i] ?? `weight ${i}`, weight] as const),
        { format: "rondo", recipe: recipe.name },
      ),
      "history.json": historyJson(history),
      "history.csv": historyCsv(history),
      "report.html": await this.#report(model, history, compared, result),
      "result.json": json(result),
    };
    await writeFiles(folder, files);
    this.say(
      `${interrupted ? "Interrupted; what was trained is kept. " : ""}Test loss ${testLoss.toFixed(4)}, ` +
        `accuracy ${testAccuracy.toFixed(4)} ${this.#ending(result)}, ${trainingSeconds.toFixed(1)} s of training.`,
    );
    const { metric, value } = recipe.source;
    this.say(`To reach: a test ${metric} of ${value}. Follows ${sourceText(recipe.source)}`);
    this.say(`Weights, history and report: ${folder}`);
    if (this.#options.json) this.#options.print(JSON.stringify(result));
  }

  /** How far the weights were trained, for example `after 15 epochs`; an epoch that was cut short is not a completed one. */
  #ending({ unit, count, interrupted }: RunResult): string {
    const wanted = this.#options.settings.count;
    if (!interrupted) return `after ${counted(count, unit)}`;
    return unit === "step" ? `after ${count} of ${wanted} steps` : `within epoch ${count + 1} of ${wanted}`;
  }

  async #report(
    model: Sequential,
    history: RunHistory,
    compared: Classification,
    result: RunResult,
  ): Promise<string> {
    const { recipe, settings } = this.#options;
    const { asInSource, batchSize, learningRate, seed, data } = settings;
    const lines: string[] = [];
    model.summary({ print: (line: string) => lines.push(line) });
    return renderReport({
      title: recipe.title,
      description: `Recipe ${recipe.name}${result.interrupted ? `, interrupted ${this.#ending(result)}` : ""}.`,
      date: new Date(),
      headline: [
        {
          label: "Test accuracy",
          value: result.testAccuracy.toFixed(4),
          note: `to reach: ${recipe.source.value}`,
        },
        { label: "Test loss", value: result.testLoss.toFixed(4) },
        { label: "Training", value: `${result.trainingSeconds.toFixed(1)} s`, note: result.backend },
        { label: "Parameters", value: result.parameters.toLocaleString("en") },
      ],
      history,
      classification: compared,
      summary: lines.join("\n"),
      configuration: {
        recipe: recipe.name,
        follows: recipe.source.title,
        address: recipe.source.address,
        length: counted(settings.count, recipe.unit),
        batchSize,
        learningRate,
        addedToTheTutorial: asInSource ? "nothing" : recipe.adds,
        seed,
        data,
      },
      environment: {
        backend: result.backend,
        node: process.version,
        platform: `${process.platform} ${process.arch}`,
        processor: cpus()[0]?.model ?? "unknown",
      },
    });
  }

  #configuration(): object {
    const { recipe, settings, backend } = this.#options;
    return {
      recipe: recipe.name,
      unit: recipe.unit,
      ...settings,
      data: settings.data ?? null,
      backend: backend.name,
    };
  }
}

/** What a run leaves behind. */
const fileNames = [
  "config.json",
  "weights.safetensors",
  "history.json",
  "history.csv",
  "report.html",
  "result.json",
] as const;

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;

/** A tutorial in words, with its address where that is known. */
export const sourceText = ({ title, address }: Source): string =>
  address === undefined ? title : `${title}: ${address}`;

/** A length in words: `1 epoch`, `4,001 steps`. */
export const counted = (count: number, unit: Recipe["unit"]): string =>
  `${count.toLocaleString("en")} ${unit}${count === 1 ? "" : "s"}`;
