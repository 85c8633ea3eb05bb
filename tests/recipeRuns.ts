// Runs of recipes in miniature, for their tests.
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type Backend, createBackend, type JsonObject } from "rondo";
import {
  openRun,
  PredictInput,
  type Recipe,
  Run,
  type RunResult,
  type SavedRun,
  settingsOf,
  type Wishes,
} from "rondo/recipe";
import { expect } from "vitest";

/** What a training left behind. */
export interface Trained {
  readonly folder: string;
  readonly result: RunResult;
}

/** Where and under whose eyes a recipe trains. */
export interface Watched {
  readonly backend: Backend;
  /** The folder that gets the run's. */
  readonly top: string;
  /** That of an interrupted run, which goes on; else it gets one of its own in `top`. */
  readonly folder?: string;
  /** Gets what the run says, and may end it. */
  onLine?(text: string, abort: AbortController): void;
}

/** Trains with seed 1, unless told otherwise. */
export async function trained(recipe: Recipe, wishes: Partial<Wishes>, on: Watched): Promise<Trained> {
  const abort = new AbortController();
  const folder = on.folder ?? mkdtempSync(join(on.top, `${recipe.name}-`));
  const settings = settingsOf(recipe, { seed: 1, ...wishes });
  const run = await Run.open({
    recipe,
    settings,
    backend: on.backend,
    folder,
    resume: on.folder !== undefined,
    signal: abort.signal,
    quiet: on.onLine === undefined,
    json: false,
    print: (text) => on.onLine?.(text, abort),
  });
  await recipe.train(settings, run);
  if (run.result === undefined) throw new Error("the run did not finish");
  return { folder, result: run.result };
}

/** The run read from its folder. */
export async function reread(recipe: Recipe, { folder }: Trained, backend: Backend): Promise<SavedRun> {
  const stored = await openRun(folder, [recipe]);
  return stored.load({ backend, signal: new AbortController().signal });
}

/** What the recipe says to each line of a text. */
export async function answers(recipe: Recipe, saved: SavedRun, text: string): Promise<JsonObject[]> {
  const all: JsonObject[] = [];
  for await (const answer of recipe.predict(saved, [
    new PredictInput("asked", new TextEncoder().encode(text)),
  ]))
    all.push(answer);
  return all;
}

/** From the folder alone, with two threads, the figures are the same, in the same order. */
export async function expectSameFigures(recipe: Recipe, run: Trained): Promise<void> {
  const other = await createBackend({ threads: 2, warn: () => undefined });
  try {
    const { figures, sections } = await recipe.evaluate(await reread(recipe, run, other));
    expect(Object.entries(figures)).toEqual(Object.entries(run.result.figures));
    expect(sections.length).toBeGreaterThan(0);
  } finally {
    await other.close();
  }
}
