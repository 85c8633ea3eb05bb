import { cpus } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "../config/config.js";
import { RondoError, unknownName } from "../errors.js";
import { encodeSafetensors } from "../formats/safetensors.js";
import { type Due, type StepByStep, trainByHand } from "../models/byHand.js";
import type { Model } from "../models/model.js";
import { type NamedHistory, readHistories } from "../report/history.js";
import {
  canDraw,
  type Histories,
  historyCsv,
  historyJson,
  howToDraw,
  learningCurves,
  renderReport,
  type Section,
} from "../report/index.js";
import { duration, figure, heading, words } from "../report/words.js";
import type { Backend } from "../runtime/backend.js";
import type { Tensor } from "../tensor.js";
import { BackupAndRestore } from "../train/callbacks/backupAndRestore.js";
import type { CallbackHooks } from "../train/callbacks/callback.js";
import { clock, ProgressBar, type Terminal } from "../train/callbacks/progressBar.js";
import type { Kept } from "../train/kept.js";
import { checkModelNames, onlyModel, RunFolder } from "./folder.js";
import { keptBytes, keptFrom } from "./kept.js";
import {
  boundText,
  counted,
  type Goal,
  goalOf,
  goalText,
  quoted,
  type RecipeDescription,
  type Settings,
  sourceText,
} from "./settings.js";
import { version } from "./version.js";

/** What a run needs of a model. */
export interface RunModel {
  /** The model's table, in text. */
  summary(options: { readonly print: (line: string) => void }): void;
  /** How many numbers its weights are. */
  countParams(): number;
  /** The names of its weights, in their order. */
  weightNames(): string[];
  /** Its weights, in their order. */
  getWeights(): Promise<Tensor[]>;
  /** Writes it to a file. */
  save(): Promise<Uint8Array>;
}

/** What a recipe has when it has trained. */
export interface Outcome {
  /** The trained model, or several by name. */
  readonly model: RunModel | Readonly<Record<string, RunModel>>;
  /**
   * What was measured while training; of several trainings by name, also of those that were not begun because the run was
   * interrupted.
   */
  readonly history: Histories;
  /** Metrics whose curves have a logarithmic axis in the report. */
  readonly logarithmic?: readonly string[];
  /**
   * What inputs go through before they are the model's, and outputs after: vocabularies, scalers and the like, by name. Kept
   * in the run, so that `evaluate` and `predict` of the recipe have the same.
   */
  readonly preprocessing?: JsonObject;
  /** Measures what was trained, as `evaluate` of the recipe does; its time is not counted as training. */
  test(): Promise<Findings>;
}

/** What the test of a model gives. */
export interface Findings {
  /** By name in camelCase, among them those of the recipe's goal: `{ testAccuracy, testLoss }`. */
  readonly figures: Readonly<Record<string, number>>;
  /** What the report shows beside the learning curves. */
  readonly sections: readonly Section[];
}

/** What a fit of a run is told, so that it goes on where the run was interrupted. */
export interface FitOfRun {
  /** Comes first among the callbacks. */
  readonly callbacks: readonly CallbackHooks[];
  readonly signal: AbortSignal;
  readonly verbose: 0 | 1;
}

/** A training by hand: see `Run.steps`. */
export type Steps<B, S extends Kept> = Omit<StepByStep<B, S>, "folder" | "due" | "signal" | "model">;

/** Where a run writes and how it speaks. */
export interface RunOptions {
  readonly recipe: RecipeDescription;
  readonly settings: Settings;
  readonly backend: Backend;
  /** The run's folder: made, or the files of an earlier run in it replaced, when the run finishes. */
  readonly folder: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Nothing is printed but, with `json`, the result. */
  readonly quiet: boolean;
  /** The result is one line of JSON instead of text; progress is shown where it can be drawn over, and nowhere else. */
  readonly json: boolean;
  /** Where lines go: what is said while the run goes on, and what it ends with. */
  print(text: string, what: "progress" | "result"): void;
  /** Where progress is drawn; default: standard error. */
  readonly terminal?: Terminal;
  /** Whether reports can be drawn here; default: where what draws them is installed. */
  readonly canDraw?: () => Promise<boolean>;
  /** Milliseconds; default: the machine's clock. */
  readonly now?: () => number;
  /** Whether the run goes on that was begun in the folder. */
  readonly resume?: boolean;
  /** After how many seconds and steps a checkpoint is due; default: 30 seconds. */
  readonly checkpoints?: Partial<Due>;
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
  readonly unit: RecipeDescription["unit"];
  /** Completed epochs or steps; of several trainings, those of the shortest. */
  readonly count: number;
  /** Of all models of the run. */
  readonly parameters: number;
  /** What was measured on the trained model, by name, the figure of the goal first. */
  readonly figures: Readonly<Record<string, number>>;
  /** What is to be reached: a figure and its bound, `value` as a plain number; left out where the settings have no goal. */
  readonly goal?: Pick<Goal, "figure" | "bound" | "value"> & { readonly reached: boolean };
  readonly trainingSeconds: number;
}

/** Least time between two drawings of a line about progress, and between two such lines in a log, ms. */
const drawingInterval = 50;
const writingInterval = 10_000;
/** Between two checkpoints, unless told otherwise. */
const defaultSeconds = 30;

const standardError: Terminal = {
  get dynamic() {
    return process.stderr.isTTY === true;
  },
  write: (text) => process.stderr.write(text),
};

/** One training run of a recipe: what it prints, and the folder it leaves behind. */
export class Run {
  readonly #options: RunOptions;
  readonly #folder: RunFolder;
  readonly #now: () => number;
  readonly #terminal: Terminal;
  #start: number;
  /** The parts that are at work, each within the one before. */
  readonly #parts: string[] = [];
  /** Whether the settings are kept. */
  #begun: Promise<void> | undefined;
  /** The first step whose progress was shown, and when. */
  #first: { readonly step: number; readonly time: number } | undefined;
  /** When something was last printed. */
  #printed: number;
  #result: RunResult | undefined;
  /** Whether there will be a report. */
  #draws = true;

  private constructor(options: RunOptions) {
    this.#options = options;
    this.#folder = new RunFolder(options.folder);
    this.#now = options.now ?? (() => performance.now());
    this.#terminal = options.terminal ?? standardError;
    this.#start = this.#printed = this.#now();
  }

  /** A run of which nothing is written yet, in a folder that can be written: one that cannot fails here, before anything is trained. */
  static async open(options: RunOptions): Promise<Run> {
    const run = new Run(options);
    const { path, isUnfinished } = run.#folder;
    if (isUnfinished && options.resume !== true) {
      throw new RondoError({
        where: `run ${path}`,
        received: "a folder with a run that has not finished",
        expected: "another folder, or that it goes on",
        fix: `Go on with it: rondo train --resume ${quoted(path)}; or take ${join(path, "checkpoints")} away`,
      });
    }
    await run.#folder.check();
    run.#draws = await (options.canDraw ?? canDraw)();
    return run;
  }

  get backend(): Backend {
    return this.#options.backend;
  }
  get signal(): AbortSignal {
    return this.#options.signal;
  }
  /** What `fit` prints: a progress bar on a terminal, a line per epoch and every ten seconds in a log, nothing when quiet. */
  get verbose(): 0 | 1 {
    const { quiet, json } = this.#options;
    return quiet || (json && !this.#terminal.dynamic) ? 0 : 1;
  }
  get result(): RunResult | undefined {
    return this.#result;
  }

  /** Prints a line about how the run goes on. */
  say(text: string): void {
    if (this.verbose === 0) return;
    this.#clear();
    this.#options.print(text, "progress");
    this.#printed = this.#now();
  }

  /** Prints what the run ends with, as text or as JSON. */
  #tell(lines: readonly string[], result: RunResult): void {
    const { quiet, json, print } = this.#options;
    if (this.verbose !== 0) this.#clear();
    if (json) print(JSON.stringify(result), "result");
    else if (!quiet) for (const line of lines) print(line, "result");
  }

  /** Takes away a line that is drawn. */
  #clear(): void {
    if (this.#terminal.dynamic) this.#terminal.write("\r\u001b[K");
  }

  /**
   * Prints the model's table and where it runs; the clock of the training starts here.
   *
   * @param model the model, or several by name
   * @throws the signal's reason when it was aborted before; RondoError for names of models that no file can have
   */
  begin(model: Outcome["model"]): void {
    this.signal.throwIfAborted();
    checkModelNames(modelsOf(model).map(([name]) => name));
    this.say(summaryOf(model));
    this.say(`Running on ${this.#options.backend.name}, seed ${this.#options.settings.seed}.`);
    if (!this.#draws) {
      this.say(
        `There will be no report: what draws it is not installed. To have one: interrupt the run, ${howToDraw}, and rondo train --resume ${quoted(this.#folder.path)}`,
      );
    }
    this.#start = this.#now();
  }

  /**
   * A fit that goes on where the run was interrupted, and is not repeated where it is done.
   *
   * @param name of its own in the run, or in the part that it belongs to
   * @param train calls `fit` with what it is given among the options, and its own callbacks after those
   */
  async fit<H>(name: string, train: (kept: FitOfRun) => Promise<H>): Promise<H> {
    await this.#keepSettings();
    const { signal, verbose } = this;
    const folder = this.#folder.checkpointsOf([...this.#parts, name]);
    const backup = new BackupAndRestore(folder, { ...this.#due(), deleteCheckpoint: false });
    return train({ callbacks: [backup, new ProgressBar(this.#terminal)], signal, verbose });
  }

  /**
   * A training by hand that goes on where the run was interrupted, and is not repeated where it is done. All that it depends
   * on beside the model and the batches is in its state.
   *
   * @param name of its own in the run, or in the part that it belongs to
   * @returns the state in the end, or where it was interrupted
   */
  async steps<B, S extends Kept>(name: string, model: Model, steps: Steps<B, S>): Promise<S> {
    await this.#keepSettings();
    const folder = this.#folder.checkpointsOf([...this.#parts, name]);
    const { seconds, steps: every } = this.#due();
    return trainByHand({ ...steps, model, folder, due: { seconds, steps: every }, signal: this.signal });
  }

  /**
   * A part of the run that is done once: its result is kept, and what it trained is not needed any more. What is trained
   * within it goes on where it was interrupted.
   *
   * @param name of its own in the run, or in the part that it belongs to
   * @param work gives undefined where it was interrupted
   */
  async part<T extends Kept>(name: string, work: () => Promise<T>): Promise<T> {
    await this.#keepSettings();
    const names = [...this.#parts, name];
    const known = await this.#folder.partResult(names);
    if (known !== undefined) return keptFrom(known, `the result of ${names.join("/")}`) as T;
    this.#parts.push(name);
    try {
      const result = await work();
      if (result !== undefined) await this.#folder.keepPartResult(names, keptBytes(result));
      return result;
    } finally {
      this.#parts.pop();
    }
  }

  #keepSettings(): Promise<void> {
    this.#begun ??= this.#folder.isUnfinished
      ? Promise.resolve()
      : this.#folder.keepBegun(this.#configuration());
    return this.#begun;
  }

  #due(): { seconds?: number; steps?: number } {
    const { seconds, steps } = this.#options.checkpoints ?? {};
    return {
      ...(seconds === undefined && steps !== undefined ? {} : { seconds: seconds ?? defaultSeconds }),
      ...(steps === undefined ? {} : { steps }),
    };
  }

  /** Shows how far a training by hand is: a line that is drawn over on a terminal, one every ten seconds in a log. */
  progress(step: number, steps: number, figures: Readonly<Record<string, number>>): void {
    const { dynamic: drawn } = this.#terminal;
    const now = this.#now();
    // Where the run goes on, the steps before were taken another time.
    if (this.#first === undefined || step < this.#first.step)
      this.#first = { step: step - 1, time: this.#start };
    const first = this.#first;
    const due = now - this.#printed >= (drawn ? drawingInterval : writingInterval);
    if (this.verbose === 0 || (drawn ? !due && step !== steps : !due || step === steps)) return;
    const text = Object.entries(figures).map(([name, value]) => ` - ${name}: ${value.toFixed(4)}`);
    const left = clock(((steps - step) * (now - first.time)) / Math.max(1, step - first.step) / 1000);
    const line = `step ${step}/${steps} - ${left} left${text.join("")}`;
    if (drawn) this.#terminal.write(`\r\u001b[K${line}${step === steps ? "\n" : ""}`);
    else this.#options.print(line, "progress");
    this.#printed = now;
  }

  /**
   * Measures what was trained, prints the figures beside the one to reach, and writes the run's folder.
   *
   * @throws RondoError when the figures lack one of the recipe's goal
   */
  async finish({ model, history, logarithmic = [], preprocessing, test }: Outcome): Promise<void> {
    const { recipe, settings, backend, signal } = this.#options;
    const folder = this.#folder.path;
    const trainingSeconds = (this.#now() - this.#start) / 1000;
    const histories = readHistories("finish", history);
    const count = Math.min(...histories.map(lengthOf));
    const interrupted = signal.aborted && count < settings.count;
    const findings = await test();
    const result: RunResult = {
      recipe: recipe.name,
      folder,
      interrupted,
      backend: backend.name,
      seed: settings.seed,
      unit: recipe.unit,
      count,
      parameters: modelsOf(model).reduce((sum, [, one]) => sum + one.countParams(), 0),
      ...measured(goalOf(recipe, settings), findings.figures),
      trainingSeconds,
    };
    this.#result = result;
    const ending = this.#ending(result, histories);
    const curves = learningCurves(history, { logarithmic });
    await this.#folder.write({
      config: this.#configuration(),
      result,
      weights: encodeSafetensors(await namedWeights(model), { format: "rondo", recipe: recipe.name }),
      history: { json: historyJson(history), csv: historyCsv(history) },
      report: this.#draws
        ? await this.#report(model, [curves, ...findings.sections], result, ending)
        : undefined,
      models: await savedModels(model),
      preprocessing,
    });
    if (!interrupted) await this.#folder.removeCheckpoints();
    const [wanted, bound] = this.#wanted(result);
    const toReach =
      wanted === undefined ? "" : `To reach: ${goalText(wanted)}${bound && `, which is ${bound}`}. `;
    const lines = [
      `${interrupted ? "Interrupted; what was trained is kept. " : ""}${figuresText(result.figures)} ` +
        `${ending}, ${duration(trainingSeconds)} of training.`,
      `${toReach}Follows ${sourceText(recipe.source)}`,
      this.#draws
        ? `Model, history and report: ${folder}`
        : `Model and history: ${folder}. No report: what draws it is not installed. For the next run: ${howToDraw}`,
      `To use it: rondo predict ${quoted(folder)} <input>`,
      ...(this.#folder.isUnfinished ? [`To go on: rondo train --resume ${quoted(folder)}`] : []),
    ];
    this.#tell(lines, result);
  }

  /** What is to be reached, and the plain number where it is a multiple of another figure. */
  #wanted({ goal: found }: RunResult): readonly [Goal | undefined, string] {
    const { recipe, settings } = this.#options;
    const goal = goalOf(recipe, settings);
    return [goal, found === undefined || goal?.times === undefined ? "" : figure(found.value)];
  }

  /** How far the weights were trained, for example `after 15 epochs`; an epoch that was cut short is not a completed one. */
  #ending({ unit, count, interrupted }: RunResult, histories: readonly NamedHistory[]): string {
    const wanted = this.#options.settings.count;
    const each = histories.length === 1 ? "" : ` of each of ${histories.length} trainings`;
    const cut = histories.find((history) => lengthOf(history) < wanted);
    if (!interrupted || cut === undefined) return `after ${counted(count, unit)}${each}`;
    const done = lengthOf(cut);
    const place =
      unit === "step" ? `after ${done} of ${wanted} steps` : `within epoch ${done + 1} of ${wanted}`;
    return cut.name === "" ? place : `${place} of ${cut.name}`;
  }

  async #report(
    model: Outcome["model"],
    sections: readonly Section[],
    result: RunResult,
    ending: string,
  ): Promise<string> {
    const { recipe, settings } = this.#options;
    const { asInSource, batchSize, learningRate, seed, data, options } = settings;
    const [goal, bound] = this.#wanted(result);
    const models = modelsOf(model);
    return renderReport({
      title: recipe.title,
      description: `Recipe ${recipe.name}${result.interrupted ? `, interrupted ${ending}` : ""}.`,
      date: new Date(),
      headline: [
        ...Object.entries(result.figures).map(([name, value]) => ({
          label: heading(name),
          value: figure(value),
          ...(name === goal?.figure ? { note: `to reach: ${boundText(goal)}${bound && ` = ${bound}`}` } : {}),
        })),
        { label: "Training", value: duration(result.trainingSeconds), note: result.backend },
        {
          label: "Parameters",
          value: result.parameters.toLocaleString("en"),
          ...(models.length === 1 ? {} : { note: `of ${models.length} models` }),
        },
      ],
      sections,
      summary: summaryOf(model),
      configuration: {
        recipe: recipe.name,
        follows: recipe.source.title,
        address: recipe.source.address,
        length: counted(settings.count, recipe.unit),
        batchSize,
        learningRate,
        ...options,
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

  #configuration(): JsonObject {
    const { recipe, settings, backend } = this.#options;
    const { options, data = null, ...common } = settings;
    return {
      rondo: version(),
      recipe: recipe.name,
      unit: recipe.unit,
      ...common,
      data,
      options: options as JsonObject,
      backend: backend.name,
    };
  }
}

/** Completed epochs or steps. */
const lengthOf = ({ positions }: NamedHistory): number => positions.at(-1) ?? 0;

/** Models by name. */
const modelsOf = (model: Outcome["model"]): (readonly [string, RunModel])[] =>
  isModel(model) ? [[onlyModel, model]] : Object.entries(model);

const isModel = (model: Outcome["model"]): model is RunModel => typeof model.getWeights === "function";

/** The tables of all models; those that look the same stand once. */
function summaryOf(model: Outcome["model"]): string {
  const texts = modelsOf(model).map(([, one]) => {
    const lines: string[] = [];
    one.summary({ print: (line) => lines.push(line) });
    return lines.join("\n");
  });
  return [...new Set(texts)].join("\n\n");
}

/** All weights by name; those of several models begin with the model's: `adam/lstm/kernel`. */
async function namedWeights(model: Outcome["model"]): Promise<(readonly [string, Tensor])[]> {
  const all = await Promise.all(
    modelsOf(model).map(async ([prefix, one]) => {
      const names = one.weightNames();
      return (await one.getWeights()).map((weight, i) => {
        const name = names[i] ?? `weight ${i}`;
        return [isModel(model) ? name : `${prefix}/${name}`, weight] as const;
      });
    }),
  );
  return all.flat();
}

/** `.keras` files by the names of the models. */
async function savedModels(model: Outcome["model"]): Promise<Record<string, Uint8Array>> {
  const files: Record<string, Uint8Array> = {};
  for (const [name, one] of modelsOf(model)) files[name] = await one.save();
  return files;
}

/** Figures in words: `Test accuracy 0.9789, test loss 0.07123`. */
export const figuresText = (figures: Findings["figures"]): string =>
  heading(
    Object.entries(figures)
      .map(([name, value]) => `${words(name)} ${figure(value)}`)
      .join(", "),
  );

/** The figures, that of the goal first, and whether it reaches its bound. */
function measured(goal: Goal | undefined, figures: Findings["figures"]): Pick<RunResult, "figures" | "goal"> {
  if (goal === undefined) return { figures };
  const named = (name: string): number => {
    const value = Object.hasOwn(figures, name) ? figures[name] : undefined;
    if (value !== undefined) return value;
    throw unknownName("finish", "figure", name, Object.keys(figures));
  };
  const { figure: name, bound, times } = goal;
  const reached = named(name);
  const value = goal.value * (times === undefined ? 1 : named(times));
  return {
    figures: { [name]: reached, ...figures },
    goal: { figure: name, bound, value, reached: bound === "at least" ? reached >= value : reached <= value },
  };
}
