import { numberedFiles } from "#files";
import { RondoError } from "../errors.js";
import type { Numbered } from "../files/numbered.js";
import { type Checkpoint, checkpointBytes, type Moment, readCheckpoint, setOf } from "./checkpoint.js";
import type { Engine } from "./engine.js";
import type { Host } from "./runs.js";
import { version } from "./version.js";

/** The best model besides the checkpoints. */
const bestFile = "best.keras";

/** A moment that is to be written, once all of it is there. */
export interface Taken {
  readonly moment: Promise<Moment | undefined>;
  /** Whether the model is the best so far. */
  readonly best: boolean;
}

/**
 * The checkpoints of one training in their folder. They are written one at a time, while the training goes on; what waits is
 * left out when a later one waits, too.
 */
export class Checkpoints {
  readonly #files: Numbered;
  readonly #keep: number;
  #last: number;
  #waiting: Taken[] = [];
  #writing: Promise<void> | undefined;
  #failure: unknown;

  private constructor(files: Numbered, keep: number, last: number) {
    this.#files = files;
    this.#keep = keep;
    this.#last = last;
  }

  /**
   * @param keep how many of the newest stay
   * @throws RondoError where the folder cannot be written
   */
  static async open(folder: string, keep: number): Promise<Checkpoints> {
    const files = await numberedFiles(folder, "checkpoint", "keras");
    return new Checkpoints(files, keep, (await files.numbers()).at(-1) ?? 0);
  }

  /**
   * The newest that can be read; says so where others are newer and damaged.
   *
   * @throws RondoError where there are some and none can be read, and for one in another version of the format
   */
  async newest(): Promise<Checkpoint | undefined> {
    const numbers = (await this.#files.numbers()).reverse();
    let damage: unknown;
    for (const number of numbers) {
      const file = this.#files.pathOf(number);
      const bytes = await this.#files.read(number);
      try {
        const read = await readCheckpoint(bytes, file);
        if (damage !== undefined) console.warn(`rondo: going on from ${file}, the newest that can be read.`);
        return read;
      } catch (error) {
        if (!(error instanceof RondoError) || error.received.startsWith("a checkpoint in version"))
          throw error;
        damage ??= error;
        console.warn(`rondo: ${error.message}`);
      }
    }
    if (damage === undefined) return undefined;
    throw new RondoError(
      {
        where: `go on from ${this.#files.folder}`,
        received: `${numbers.length === 1 ? "a checkpoint that cannot" : `${numbers.length} checkpoints none of which can`} be read`,
        expected: "at least one that is whole",
        fix: "Copy them back, or take the folder away to begin anew",
      },
      { cause: damage },
    );
  }

  /** Whether one is being written. */
  get busy(): boolean {
    return this.#writing !== undefined;
  }

  /** @throws what kept one from being written */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes a moment when those before it are written. */
  write(taken: Taken, host: Host, engine: Engine): void {
    this.#waiting = this.#waiting.filter(({ best }) => best && !taken.best);
    this.#waiting.push(taken);
    this.#writing ??= this.#writeAll(host, engine).finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(host: Host, engine: Engine): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      try {
        await this.#write(next, host, engine);
      } catch (error) {
        this.#failure ??= error;
      }
    }
  }

  async #write({ moment, best }: Taken, host: Host, engine: Engine): Promise<void> {
    const known = await moment;
    if (known === undefined) return;
    const bytes = await checkpointBytes(host, engine, known);
    const number = this.#last + 1;
    await this.#files.write(number, bytes);
    this.#last = number;
    if (best) await this.#files.writeNamed(bestFile, bytes);
    await this.#remove(this.#keep);
  }

  /** Resolves when nothing waits to be written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Takes all checkpoints away; the best model stays. */
  clear(): Promise<void> {
    return this.#remove(0);
  }

  async #remove(kept: number): Promise<void> {
    const numbers = await this.#files.numbers();
    for (const number of numbers.slice(0, numbers.length - kept)) await this.#files.remove(number);
  }
}

/** Says where a training goes on with another Rondo or other instructions, whose bits may differ. */
export function warnOfOthers({ rondo, computed, file }: Checkpoint, engine: Engine): void {
  const now = setOf(engine);
  const differences = [
    ...(rondo === version ? [] : [`Rondo ${rondo}, this is ${version}`]),
    ...(computed === now ? [] : [`${computed}, this is ${now}`]),
  ];
  if (differences.length > 0)
    console.warn(
      `rondo: ${file} was computed by ${differences.join("; and by ")}: the rest of the training may differ in its last bits.`,
    );
}
