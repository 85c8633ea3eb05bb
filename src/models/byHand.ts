import type { Kept } from "../train/kept.js";
import { type Moment, snapshotIn } from "./checkpoint.js";
import { Checkpoints, warnOfOthers } from "./checkpoints.js";
import { pack } from "./kept.js";
import type { Model } from "./model.js";

/** When checkpoints of a training by hand are due. */
export interface Due {
  readonly seconds: number | undefined;
  readonly steps: number | undefined;
}

/** A training by hand, step after step, that is kept in a folder. */
export interface StepByStep<B, S extends Kept> {
  readonly folder: string;
  readonly due: Due;
  readonly model: Model;
  /** How many steps there are, where the batches do not end before. */
  readonly count: number;
  /** What each step is given. Where the training goes on, those of the steps that are done are drawn once more, and not used. */
  readonly batches: Iterator<B>;
  /** What the training remembers beside the model, as it begins. */
  readonly state: S;
  /** Makes a step, and changes what the training remembers. */
  step(batch: B, index: number, state: S): Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Trains step by step, or goes on from the newest checkpoint: the end has the same bits. The last step's checkpoint stays, so
 * that a training that is done is not repeated. One that is aborted is kept as it stands.
 *
 * @returns what the training remembers in the end
 */
export async function trainByHand<B, S extends Kept>(training: StepByStep<B, S>): Promise<S> {
  const { folder, due, model, count, batches, signal } = training;
  const { host } = model;
  const checkpoints = await Checkpoints.open(folder, 2);
  const from = await checkpoints.newest();
  const engine = await host.engine();
  let { state } = training;
  let index = 0;
  if (from !== undefined) {
    warnOfOthers(from, engine);
    await model.restore({ ...snapshotIn(from, host, engine), passes: from.passes });
    const kept = from.training as unknown as { readonly index: number; readonly state: S };
    ({ index, state } = kept);
    for (let i = 0; i < index; i++) batches.next();
  }
  let written = index;
  let since = performance.now();
  const take = async () => {
    written = index;
    since = performance.now();
    const training = pack({ index, state });
    const { passes, ...snapshot } = await model.snapshot();
    const moment: Moment = { snapshot, passes, training };
    checkpoints.write({ moment: Promise.resolve(moment), best: false }, host, engine);
  };
  const { seconds = Number.POSITIVE_INFINITY, steps = Number.POSITIVE_INFINITY } = due;
  try {
    while (index < count && !signal.aborted) {
      checkpoints.check();
      const next = batches.next();
      if (next.done === true) break;
      await training.step(next.value, index, state);
      index++;
      const late = performance.now() - since >= 1000 * seconds || index - written >= steps;
      if (late && !checkpoints.busy) await take();
    }
    if (index > written) await take();
  } finally {
    await checkpoints.idle();
  }
  checkpoints.check();
  return state;
}
