import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Json, JsonObject } from "../config/config.js";
import { RondoError, valueText } from "../errors.js";
import { checkFolder, readWholeFile, writeFiles } from "../files/files.js";
import { quoted } from "./settings.js";

/** The files that every run leaves behind, and what they hold, in words that go on from their names. */
const contents = {
  "config.json": "the settings of the run",
  "result.json": "the figures of the training",
  "weights.safetensors": "the weights alone, by name",
  "history.json": "what was measured while training",
  "history.csv": "what was measured while training, as a table",
} as const;

/** Beside them, unless what draws it was not installed. */
const report = "report.html";

/** Beside them, where the recipe has such. */
const preprocessing = "preprocessing.json";
/** Beside them, for each model. */
const fileOf = (model: string): string => `${model}.keras`;

/** The folder of what a run that has not finished goes on from. */
const checkpoints = "checkpoints";
/** In there: the settings. */
const begun = `${checkpoints}/config.json`;

/** The result of a part of a run. */
const partFile = "result.safetensors";

/** The name of a model that is the only one. */
export const onlyModel = "model";

const contentOf = (file: string): string => {
  if (Object.hasOwn(contents, file)) return contents[file as keyof typeof contents];
  if (file === begun) return "the settings of a run that has not finished";
  if (file === report) return "the report";
  return file === preprocessing
    ? "the vocabularies, scalers and the like that belong to the model"
    : "a trained model";
};

/** What a finished run leaves in its folder. */
export interface RunContent {
  readonly config: JsonObject;
  readonly result: object;
  readonly weights: Uint8Array;
  readonly history: { readonly json: string; readonly csv: string };
  /** Undefined where none could be drawn. */
  readonly report: string | undefined;
  /** The models by name, as `.keras` files. */
  readonly models: Readonly<Record<string, Uint8Array>>;
  /** Vocabularies, scalers and the like, where the recipe has such. */
  readonly preprocessing: JsonObject | undefined;
}

/** The folder of a run: what its files are called, and the one place where they are written and read. */
export class RunFolder {
  readonly path: string;
  readonly #remedy: string;

  /** @param remedy what errors advise where a file is missing or damaged, in a sentence */
  constructor(path: string, remedy = "Give the folder that rondo train wrote, or train again into it") {
    this.path = path;
    this.#remedy = remedy;
  }

  /** Makes sure that a run can be written here, and leaves everything as it is. */
  check(): Promise<void> {
    return checkFolder(this.path, [...Object.keys(contents), report, fileOf(onlyModel), preprocessing]);
  }

  /** Writes a finished run in the place of an earlier one: all of it, or nothing. */
  async write(content: RunContent): Promise<void> {
    const earlier = await this.config().catch(() => undefined);
    const models = Object.keys(content.models);
    const config = { ...content.config, models, preprocessing: content.preprocessing !== undefined };
    const always: Record<keyof typeof contents, string | Uint8Array> = {
      "config.json": json(config),
      "result.json": json(content.result),
      "weights.safetensors": content.weights,
      "history.json": content.history.json,
      "history.csv": content.history.csv,
    };
    const files: Record<string, string | Uint8Array> = {
      ...always,
      ...Object.fromEntries(Object.entries(content.models).map(([name, bytes]) => [fileOf(name), bytes])),
      ...(content.preprocessing === undefined ? {} : { [preprocessing]: json(content.preprocessing) }),
      ...(content.report === undefined ? {} : { [report]: content.report }),
    };
    await writeFiles(this.path, files);
    // What the earlier run alone had is nobody's: config.json says which files belong to the run.
    for (const name of [report, ...(earlier === undefined ? [] : ownFiles(earlier))])
      if (!Object.hasOwn(files, name)) await rm(join(this.path, name), { force: true });
  }

  /** Whether a run has begun here and not finished. */
  get isUnfinished(): boolean {
    return existsSync(join(this.path, checkpoints));
  }

  /** Whether a run has finished here. */
  get isFinished(): boolean {
    return existsSync(join(this.path, "result.json")) && !this.isUnfinished;
  }

  /** Keeps the settings of a run that begins; its result, or an earlier one's, stays what it is. */
  async keepBegun(config: JsonObject): Promise<void> {
    await writeFiles(join(this.path, checkpoints), { "config.json": json(config) });
  }

  /** The settings of a run that has not finished. */
  begunConfig(): Promise<JsonObject> {
    return this.#readJson(begun);
  }

  /** The folder of a part of a run that has not finished. */
  checkpointsOf(names: readonly string[]): string {
    const wrong = names.find((name) => !isFileName(name));
    if (wrong === undefined) return join(this.path, checkpoints, ...names);
    throw new RondoError({
      where: "run",
      received: `a training called ${JSON.stringify(wrong)}`,
      expected: "a name of letters, digits, _, - and .",
      fix: "Choose another name: the folder of its checkpoints is called by it",
    });
  }

  /** The result of a part of a run that is done; undefined where it is not. */
  async partResult(names: readonly string[]): Promise<Uint8Array | undefined> {
    const file = join(this.checkpointsOf(names), partFile);
    return existsSync(file) ? readWholeFile(file) : undefined;
  }

  /** Keeps the result of a part of a run that is done, in the place of what it would have gone on from. */
  async keepPartResult(names: readonly string[], result: Uint8Array): Promise<void> {
    const folder = this.checkpointsOf(names);
    await writeFiles(folder, { [partFile]: result });
    for (const name of await readdir(folder))
      if (name !== partFile) await rm(join(folder, name), { recursive: true, force: true });
  }

  /** The run has finished: there is nothing to go on from. */
  async removeCheckpoints(): Promise<void> {
    await rm(join(this.path, checkpoints), { recursive: true, force: true });
  }

  config(): Promise<JsonObject> {
    return this.#readJson("config.json");
  }

  result(): Promise<JsonObject> {
    return this.#readJson("result.json");
  }

  history(): Promise<JsonObject> {
    return this.#readJson("history.json");
  }

  /** What the run keeps beside its models; empty where its recipe has no such thing. */
  async preprocessing(): Promise<JsonObject> {
    const { preprocessing: has } = await this.config();
    return has === true ? this.#readJson(preprocessing) : {};
  }

  /**
   * What is made of the file of each model, by the models' names.
   *
   * @param load its errors are told as damage to the file
   */
  async models<T>(load: (bytes: Uint8Array) => Promise<T>): Promise<Record<string, T>> {
    const names = modelNames(await this.config());
    if (names === undefined) {
      throw this.fault(
        "a run without models, as Rondo kept them before it could evaluate and predict from them",
        "a run that holds its models",
      );
    }
    const models: Record<string, T> = {};
    for (const name of names) {
      const file = fileOf(name);
      const bytes = await this.#read(file);
      try {
        models[name] = await load(bytes);
      } catch (error) {
        throw this.#damaged(file, error instanceof RondoError ? error.received : String(error), error);
      }
    }
    return models;
  }

  /** An error about this folder, with the remedy. */
  fault(received: string, expected: string, cause?: unknown): RondoError {
    const parts = { where: `run ${this.path}`, received, expected, fix: this.#remedy };
    return new RondoError(parts, cause === undefined ? {} : { cause });
  }

  async #readJson(file: string): Promise<JsonObject> {
    const text = new TextDecoder().decode(await this.#read(file));
    let value: Json;
    try {
      value = JSON.parse(text) as Json;
    } catch (error) {
      throw this.#damaged(file, error instanceof Error ? error.message : String(error), error);
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as JsonObject;
    throw this.#damaged(file, `${valueText(value)} where an object should be`);
  }

  async #read(file: string): Promise<Uint8Array> {
    if (existsSync(join(this.path, file))) return readWholeFile(join(this.path, file));
    if (!existsSync(this.path)) throw this.fault("a folder that does not exist", "the folder of a run");
    if (file !== begun && this.isUnfinished) {
      throw new RondoError({
        where: `run ${this.path}`,
        received: `no ${file}: the run has not finished`,
        expected: "a run that has",
        fix: `Go on with it: rondo train --resume ${quoted(this.path)}`,
      });
    }
    throw this.fault(`no ${file}, which holds ${contentOf(file)}`, "all files that the run wrote");
  }

  #damaged(file: string, how: string, cause?: unknown): RondoError {
    return this.fault(
      `a damaged ${file}, which holds ${contentOf(file)}: ${how.replaceAll(/\s+/g, " ")}`,
      "the file as the run wrote it",
      cause,
    );
  }
}

/** The files beside those that every run has. */
const ownFiles = (config: JsonObject): string[] => [
  ...(modelNames(config) ?? []).map(fileOf),
  ...(config.preprocessing === true ? [preprocessing] : []),
];

const isFileName = (name: unknown): name is string => typeof name === "string" && /^[\w-][\w.-]*$/.test(name);

/** Refuses names of models that cannot be names of files, before anything is trained. */
export function checkModelNames(names: readonly string[]): void {
  const wrong = names.find((name) => !isFileName(name));
  if (wrong === undefined) return;
  throw new RondoError({
    where: "run",
    received: `a model called ${JSON.stringify(wrong)}`,
    expected: "a name of letters, digits, _, - and .",
    fix: "Choose another name: the model's file is called by it",
  });
}

/** The names of the models, as a run's configuration has them; undefined where it has none. */
const modelNames = ({ models }: JsonObject): readonly string[] | undefined =>
  Array.isArray(models) && models.every(isFileName) ? models : undefined;

const json = (value: object): string => `${JSON.stringify(value, null, 2)}\n`;
