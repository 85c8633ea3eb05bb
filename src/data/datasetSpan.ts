import { checkCount, RondoError } from "../errors.js";
import { type Cursor, countsOf, inputOf, type Pass, type Position, type Stage } from "./datasetStage.js";
import { derivedSeed } from "./shuffle.js";

/** The first elements. */
export class TakeStage<T> implements Stage<T> {
  readonly #input: Stage<T>;
  readonly #count: number;

  constructor(input: Stage<T>, count: number) {
    checkCount("dataset.take", "count", count, 0);
    this.#input = input;
    this.#count = count;
  }

  get size(): number | undefined {
    const size = this.#input.size;
    return size === undefined ? undefined : Math.min(size, this.#count);
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    let [taken] = countsOf("take", from, [0]);
    const input = this.#input.open(pass, inputOf(from));
    return {
      next: async (most) => {
        if (taken >= this.#count) return [];
        const elements = await input.next(Math.min(most, this.#count - taken));
        taken += elements.length;
        return elements;
      },
      position: () => ({ stage: "take", at: [taken], inputs: [input.position()] }),
      close: () => input.close(),
    };
  }
}

/** All but the first elements. */
export class SkipStage<T> implements Stage<T> {
  readonly #input: Stage<T>;
  readonly #count: number;

  constructor(input: Stage<T>, count: number) {
    checkCount("dataset.skip", "count", count, 0);
    this.#input = input;
    this.#count = count;
  }

  get size(): number | undefined {
    const size = this.#input.size;
    return size === undefined ? undefined : Math.max(0, size - this.#count);
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    let [skipped] = countsOf("skip", from, [0]);
    const input = this.#input.open(pass, inputOf(from));
    return {
      next: async (most) => {
        while (skipped < this.#count) {
          const some = await input.next(Math.min(chunk, this.#count - skipped));
          if (some.length === 0) break;
          skipped += some.length;
          await pass.breather.tick();
        }
        return input.next(most);
      },
      position: () => ({ stage: "skip", at: [skipped], inputs: [input.position()] }),
      close: () => input.close(),
    };
  }
}

/** Elements given up at a time. */
export const chunk = 256;

/** One pass after the other over the same input. */
export class RepeatStage<T> implements Stage<T> {
  readonly #input: Stage<T>;
  readonly #count: number;

  constructor(input: Stage<T>, count = Number.POSITIVE_INFINITY) {
    if (count !== Number.POSITIVE_INFINITY) checkCount("dataset.repeat", "count", count, 0);
    this.#input = input;
    this.#count = count;
  }

  get size(): number | undefined {
    const size = this.#input.size;
    if (size === 0 || this.#count === 0) return 0;
    return size === undefined && this.#count !== Number.POSITIVE_INFINITY
      ? undefined
      : (size ?? 1) * this.#count;
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    let [repetition, gave] = countsOf("repeat", from, [0, 0]);
    // No two repetitions have the same order, in no two passes.
    const first = Number.isFinite(this.#count) ? pass.epoch * this.#count : pass.epoch;
    const opened = (at?: Position) => this.#input.open({ ...pass, epoch: first + repetition }, at);
    let input = opened(inputOf(from));
    return {
      next: async (most) => {
        while (repetition < this.#count) {
          const elements = await input.next(most);
          if (elements.length > 0) {
            gave = 1;
            return elements;
          }
          // Nothing, repeated, is nothing.
          if (gave === 0) return [];
          await input.close();
          repetition++;
          gave = 0;
          input = opened();
          await pass.breather.tick();
        }
        return [];
      },
      position: () => ({ stage: "repeat", at: [repetition, gave], inputs: [input.position()] }),
      close: () => input.close(),
    };
  }
}

/** One input after the other. */
export class ConcatenateStage<T> implements Stage<T> {
  readonly #inputs: readonly Stage<T>[];

  constructor(inputs: readonly Stage<T>[]) {
    this.#inputs = inputs;
  }

  get size(): number | undefined {
    const sizes = this.#inputs.map(({ size }) => size);
    return sizes.includes(Number.POSITIVE_INFINITY)
      ? Number.POSITIVE_INFINITY
      : sizes.reduce((sum, size) => (sum === undefined || size === undefined ? undefined : sum + size), 0);
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    let [part] = countsOf("concatenate", from, [0]);
    const opened = (at?: Position) =>
      this.#inputs[part]?.open({ ...pass, seed: derivedSeed(pass.seed, part) }, at);
    let input = opened(from && inputOf(from));
    return {
      next: async (most) => {
        while (input !== undefined) {
          const elements = await input.next(most);
          if (elements.length > 0 || part === this.#inputs.length - 1) return elements;
          await input.close();
          part++;
          input = opened();
        }
        return [];
      },
      position: () => ({
        stage: "concatenate",
        at: [part],
        inputs: input === undefined ? [] : [input.position()],
      }),
      close: async () => input?.close(),
    };
  }
}

/** Elements of several inputs side by side, as a list or by name; ends with the shortest. */
export class ZipStage implements Stage<unknown> {
  readonly #inputs: Readonly<Record<string, Stage<unknown>>> | readonly Stage<unknown>[];

  constructor(inputs: Readonly<Record<string, Stage<unknown>>> | readonly Stage<unknown>[]) {
    this.#inputs = inputs;
    if (Object.keys(inputs).length > 0) return;
    throw new RondoError({
      where: "Dataset.zip",
      received: "no datasets",
      expected: "at least one",
      fix: "Write for example Dataset.zip({ x: inputs, y: labels })",
    });
  }

  get size(): number | undefined {
    return Object.values(this.#inputs).reduce<number | undefined>(
      (least, { size }) => (least === undefined || size === undefined ? undefined : Math.min(least, size)),
      Number.POSITIVE_INFINITY,
    );
  }

  open(pass: Pass, from: Position | undefined): Cursor<unknown> {
    let [ended] = countsOf("zip", from, [0]);
    const names = Object.keys(this.#inputs);
    const inputs = Object.values(this.#inputs).map((input, i) =>
      input.open({ ...pass, seed: derivedSeed(pass.seed, i) }, inputOf(from, i)),
    );
    return {
      next: async (most) => {
        if (ended === 1) return [];
        const columns: (readonly unknown[])[] = [];
        for (const input of inputs) columns.push(await exactly(input, most));
        const count = Math.min(...columns.map(({ length }) => length));
        if (count < most) ended = 1;
        return Array.from({ length: count }, (_, i) => {
          const values = columns.map((column) => column[i]);
          return Array.isArray(this.#inputs)
            ? values
            : Object.fromEntries(names.map((name, k) => [name, values[k]]));
        });
      },
      position: () => ({ stage: "zip", at: [ended], inputs: inputs.map((input) => input.position()) }),
      close: async () => {
        for (const input of inputs) await input.close();
      },
    };
  }
}

/** So many elements, or all that are left. */
async function exactly<T>(input: Cursor<T>, count: number): Promise<readonly T[]> {
  const first = await input.next(count);
  if (first.length === count || first.length === 0) return first;
  const elements = [...first];
  while (elements.length < count) {
    const some = await input.next(count - elements.length);
    if (some.length === 0) break;
    for (const element of some) elements.push(element);
  }
  return elements;
}
