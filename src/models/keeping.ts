import type { Json, JsonObject } from "../config/config.js";
import { writeOfKind } from "../config/configurable.js";
import { RondoError } from "../errors.js";
import { describe } from "../layers/component.js";
import { shapeText } from "../tensor.js";
import type { CallbackHooks } from "../train/callbacks/callback.js";
import { ProgressBar } from "../train/callbacks/progressBar.js";
import { compileConfig } from "../train/compileConfig.js";
import type { Feed } from "../train/feed.js";
import type { Run } from "../train/fit.js";
import type { Keeper, Standing, Standpoint } from "../train/keeping.js";
import type { KeepingPlan, Kept } from "../train/kept.js";
import { optimizerKind } from "../train/optimizers/index.js";
import { type Checkpoint, type Moment, snapshotIn } from "./checkpoint.js";
import { Checkpoints, type Taken, warnOfOthers } from "./checkpoints.js";
import { difference } from "./difference.js";
import type { Engine } from "./engine.js";
import { pack } from "./kept.js";
import type { Host } from "./runs.js";
import type { Work } from "./turns.js";

const where = "fit, backupAndRestore";

/** What a checkpoint has of a fit. */
interface KeptFit {
  readonly standing: Standing;
  /** What callbacks with a state remember, in their order. */
  readonly callbacks: readonly { readonly kind: string; readonly state: Kept }[];
  /** What must be the same where it goes on. */
  readonly about: Json;
  readonly epochs: number;
}

/** What a fit is made of. */
export interface FitParts {
  readonly engine: Engine;
  readonly feed: Feed;
  readonly validation: Feed | undefined;
  readonly run: Run;
  readonly step: <S>(writes: boolean, work: Work<S>) => Promise<S>;
}

/** Keeps the fits that have a backupAndRestore. */
export class FitKeeper implements Keeper {
  readonly #host: Host;
  readonly #plan: KeepingPlan;
  readonly #checkpoints: Checkpoints;
  readonly #checkpoint: Checkpoint | undefined;
  #parts: FitParts | undefined;
  #about: Json = null;
  #callbacks: readonly CallbackHooks[] = [];
  /** Ends the waiting for steps that will not end. */
  #abandon = () => {};
  readonly #abandoned = new Promise<undefined>((resolve) => {
    this.#abandon = () => resolve(undefined);
  });
  /** Since the last checkpoint. */
  #since = performance.now();
  #steps = 0;
  #epochs = 0;
  /** Whether no step of the epoch has been submitted here. */
  #fresh = true;
  /** Whether any step has been submitted here. */
  #stepped = false;
  #held: Taken | undefined;
  /** Where the last checkpoint was taken. */
  #taken: Standpoint | undefined;
  #ended = false;

  private constructor(host: Host, plan: KeepingPlan, checkpoints: Checkpoints, from: Checkpoint | undefined) {
    this.#host = host;
    this.#plan = plan;
    this.#checkpoints = checkpoints;
    this.#checkpoint = from;
  }

  /**
   * Reads where the fit goes on, and takes the model's seed from there.
   *
   * @param plans how many there are
   * @throws RondoError where the folder cannot be written, or nothing in it can be read; for a model of another seed
   */
  static async open(host: Host, plan: KeepingPlan, plans: number): Promise<FitKeeper> {
    if (plans > 1) {
      throw new RondoError({
        where,
        received: `${plans} backupAndRestore for one fit`,
        expected: "one",
        fix: "Give one of them steps, seconds and epochs at once",
      });
    }
    const checkpoints = await Checkpoints.open(plan.folder, plan.keep);
    const from = await checkpoints.newest();
    if (from !== undefined) {
      if (host.seeded && host.seed !== from.seed)
        throw unlike(from.file, [["the model's seed", host.seed, from.seed]]);
      host.seed = from.seed;
    }
    return new FitKeeper(host, plan, checkpoints, from);
  }

  get from(): Standing | undefined {
    return this.#kept?.standing;
  }

  get #kept(): KeptFit | undefined {
    return this.#checkpoint?.training as KeptFit | undefined;
  }

  /**
   * Holds what the fit is made of against the checkpoint, and brings the data to where it goes on.
   *
   * @throws RondoError that names what differs
   */
  async begin(parts: FitParts): Promise<void> {
    const { engine, feed, validation, run } = parts;
    this.#parts = parts;
    this.#about = aboutOf(this.#host, feed, validation, run);
    const [checkpoint, kept] = [this.#checkpoint, this.#kept];
    if (checkpoint === undefined || kept === undefined) return;
    const differences = difference(this.#about, kept.about);
    if (run.epochs < kept.epochs)
      differences.push(["epochs", run.epochs, `${kept.epochs}, or more to train for longer`]);
    if (differences.length > 0) throw unlike(checkpoint.file, differences);
    warnOfOthers(checkpoint, engine);
    await feed.resume(kept.standing.position);
  }

  async restore(callbacks: readonly CallbackHooks[]): Promise<void> {
    this.#callbacks = callbacks;
    const [checkpoint, kept, parts] = [this.#checkpoint, this.#kept, this.#parts];
    if (checkpoint === undefined || kept === undefined || parts === undefined) return;
    const own = remembering(callbacks);
    const [now, then] = [own.map(kindOf), kept.callbacks.map(({ kind }) => kind)].map(withoutDisplay);
    if (String(now) !== String(then)) {
      // The last one is the fit's own history.
      const text = (kinds: readonly string[] = []) => kinds.slice(0, -1).join(", ") || "none";
      throw unlike(checkpoint.file, [["callbacks that remember something", text(now), text(then)]]);
    }
    const left = [...kept.callbacks];
    for (const callback of own) {
      const i = left.findIndex(({ kind }) => kind === kindOf(callback));
      if (i >= 0) callback.setState?.(left.splice(i, 1)[0]?.state);
    }
    const snapshot = snapshotIn(checkpoint, this.#host, parts.engine);
    await parts.step(true, (submitted) => parts.engine.restore(snapshot, submitted));
    this.#host.passes = checkpoint.passes;
  }

  between(standpoint: () => Standpoint, last: boolean): void {
    this.#checkpoints.check();
    if (!this.#fresh) {
      this.#steps++;
      this.#stepped = true;
    }
    this.#fresh = false;
    if (!this.#stepped || this.#ended) return;
    this.#ended = last;
    const { steps = Number.POSITIVE_INFINITY } = this.#plan;
    if (last || (!this.#checkpoints.busy && (this.#steps >= steps || this.#late))) this.#take(standpoint());
  }

  get #late(): boolean {
    const { seconds } = this.#plan;
    return seconds !== undefined && performance.now() - this.#since >= 1000 * seconds;
  }

  hold(standpoint: Standpoint): void {
    if (this.#stepped && !this.#ended && !standpoint.stopped) this.#held = this.#moment(standpoint, false);
  }

  epochEnded(standpoint: Standpoint): void {
    this.#checkpoints.check();
    this.#held = undefined;
    this.#fresh = true;
    this.#epochs++;
    const { epochs = Number.POSITIVE_INFINITY, improved } = this.#plan;
    const best = improved();
    const due = this.#epochs >= epochs || this.#late;
    if (best || (due && !this.#checkpoints.busy)) this.#take(standpoint, best);
  }

  async finished(aborted: boolean, standpoint: Standpoint | undefined): Promise<void> {
    const kept = aborted || !this.#plan.deleteCheckpoint;
    if (kept && !this.#ended && this.#stepped) {
      if (standpoint === undefined) this.#write(this.#held);
      else if (standpoint !== this.#taken) this.#take(standpoint);
    }
    await this.#checkpoints.idle();
    this.#checkpoints.check();
    this.#ended = aborted;
  }

  /** The fit has ended as it should: takes the checkpoints away, where they are not to stay. */
  async done(): Promise<void> {
    if (this.#plan.deleteCheckpoint && !this.#ended) await this.#checkpoints.clear();
  }

  /** Waits for what is being written. */
  async close(): Promise<void> {
    this.#abandon();
    await this.#checkpoints.idle();
  }

  #take(standpoint: Standpoint, best = false): void {
    this.#taken = standpoint;
    this.#since = performance.now();
    this.#steps = 0;
    this.#epochs = 0;
    this.#write(this.#moment(standpoint, best));
  }

  #write(taken: Taken | undefined): void {
    const { engine } = this.#parts ?? {};
    if (taken !== undefined && engine !== undefined) this.#checkpoints.write(taken, this.#host, engine);
  }

  /** The fit as it stands. What later steps and callbacks change is not in it. */
  #moment(standpoint: Standpoint, best: boolean): Taken {
    const { engine, step, run } = this.#parts as FitParts;
    const { passes } = this.#host;
    const { pending, ...within } = standpoint.within ?? { pending: undefined };
    const callbacks = remembering(this.#callbacks).map((callback) => ({
      kind: kindOf(callback),
      state: callback.getState?.(),
    }));
    const { about, epochs } = { about: this.#about, epochs: run.epochs };
    // Callbacks may set another one before the snapshot has its turn.
    const learningRate = engine.setRate;
    const packed = pack({ callbacks, about, epochs });
    const snapshot = step(false, (submitted) => engine.snapshot(submitted));
    snapshot.catch(() => {}); // told when it is awaited
    const moment = async (): Promise<Moment | undefined> => {
      const accumulators = pending && (await Promise.race([pending, this.#abandoned]));
      if (pending !== undefined && accumulators === undefined) return undefined;
      const { optimizer, ...rest } = await snapshot;
      const standing = {
        ...standpoint,
        within: standpoint.within && { ...within, pending: accumulators },
      } as unknown as Kept;
      const { json } = pack(standing);
      return {
        snapshot: { ...rest, optimizer: optimizer && { ...optimizer, learningRate } },
        passes,
        training: { json: { ...(packed.json as JsonObject), standing: json }, tensors: packed.tensors },
      };
    };
    return { moment: moment(), best };
  }
}

const remembering = (callbacks: readonly CallbackHooks[]): CallbackHooks[] =>
  callbacks.filter(({ getState }) => getState !== undefined);

const kindOf = (callback: CallbackHooks): string => callback.constructor.name;

/** What is only shown may differ. */
const withoutDisplay = (kinds: readonly string[]): readonly string[] =>
  kinds.filter((kind) => kind !== ProgressBar.name);

/** What must be the same where a fit goes on. */
function aboutOf(host: Host, feed: Feed, validation: Feed | undefined, run: Run): Json {
  const objective = host.compiled(where);
  return {
    model: describe(host.model),
    compile: compileConfig(objective) ?? {
      optimizer: writeOfKind(optimizerKind, objective.optimizer) ?? null,
      figures: [...objective.names],
    },
    initialEpoch: run.initialEpoch,
    data: dataOf(feed),
    validation: validation === undefined ? null : dataOf(validation),
  };
}

const dataOf = ({ arrays, steps, samples, batchSize, shuffled }: Feed): JsonObject => ({
  arrays: Object.fromEntries(
    samples === undefined
      ? []
      : arrays.map(({ name, tensor: { dtype, shape } }) => [name, `${dtype} ${shapeText(shape)}`]),
  ),
  steps: steps === undefined || !Number.isFinite(steps) ? null : steps,
  batchSize: batchSize ?? null,
  shuffled: shuffled ?? null,
});

/** The error for a fit that is not the checkpoint's. */
const unlike = (
  file: string,
  differences: readonly (readonly [name: string, now: Json, then: Json])[],
): RondoError => {
  const list = (which: 1 | 2) =>
    differences
      .slice(0, 5)
      .map((one) => `${one[0]}: ${typeof one[which] === "string" ? one[which] : JSON.stringify(one[which])}`)
      .join("; ");
  return new RondoError({
    where,
    received: list(1),
    expected: `what the checkpoint ${file} has, ${list(2)}`,
    fix: "Go on with the same model and data, or take the folder away to begin anew",
  });
};
