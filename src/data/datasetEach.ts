import { checkCount, checkOptions, RondoError, valueText } from "../errors.js";
import {
  atElement,
  type Cursor,
  countsOf,
  inputOf,
  isPromise,
  type Pass,
  type Position,
  type Stage,
} from "./datasetStage.js";

/** Options of `dataset.map`. */
export interface MapOptions {
  /** How many calls of an asynchronous function may be under way; the order stays. Default 1. */
  readonly numParallelCalls?: number;
}

/** What a function makes of each element. */
export class MapStage<T, U> implements Stage<U> {
  readonly #input: Stage<T>;
  readonly #make: (element: T) => U | PromiseLike<U>;
  readonly #parallel: number;

  constructor(input: Stage<T>, make: (element: T) => U | PromiseLike<U>, options: MapOptions) {
    checkFunction("dataset.map", make, "an element");
    checkOptions("dataset.map", options, ["numParallelCalls"]);
    this.#input = input;
    this.#make = make;
    this.#parallel = options.numParallelCalls ?? 1;
    checkCount("dataset.map", "numParallelCalls", this.#parallel, 1);
  }

  get size(): number | undefined {
    return this.#input.size;
  }

  open(pass: Pass, from: Position | undefined): Cursor<U> {
    let [given] = countsOf("map", from, [0]);
    const input = this.#input.open(pass, inputOf(from));
    const one = (element: T, number: number): U | Promise<U> => {
      const failed = (error: unknown) => {
        throw atElement("map", "the function", number, error);
      };
      try {
        const made = this.#make(element);
        return isPromise(made) ? Promise.resolve(made as PromiseLike<U>).catch(failed) : (made as U);
      } catch (error) {
        return failed(error);
      }
    };
    return {
      next: async (most) => {
        const elements = await input.next(most);
        const made: U[] = [];
        for (let i = 0; i < elements.length; i += this.#parallel) {
          const some = elements.slice(i, i + this.#parallel).map((element, k) => one(element, given + i + k));
          for (const value of some.some(isPromise) ? await Promise.all(some) : (some as U[]))
            made.push(value);
          const turn = pass.breather.tick();
          if (turn !== undefined) await turn;
        }
        given += made.length;
        return made;
      },
      position: () => ({ stage: "map", at: [given], inputs: [input.position()] }),
      close: () => input.close(),
    };
  }
}

/** The elements that a function says yes to. */
export class FilterStage<T> implements Stage<T> {
  readonly size = undefined;
  readonly #input: Stage<T>;
  readonly #keeps: (element: T) => boolean | PromiseLike<boolean>;

  constructor(input: Stage<T>, keeps: (element: T) => boolean | PromiseLike<boolean>) {
    checkFunction("dataset.filter", keeps, "an element");
    this.#input = input;
    this.#keeps = keeps;
  }

  open(pass: Pass, from: Position | undefined): Cursor<T> {
    let [seen] = countsOf("filter", from, [0]);
    const input = this.#input.open(pass, inputOf(from));
    return {
      next: async (most) => {
        for (;;) {
          const elements = await input.next(most);
          if (elements.length === 0) return [];
          const kept: T[] = [];
          for (const element of elements) {
            try {
              const keeps = this.#keeps(element);
              if (isPromise(keeps) ? await keeps : keeps) kept.push(element);
            } catch (error) {
              throw atElement("filter", "the function", seen, error);
            }
            seen++;
            const turn = pass.breather.tick();
            if (turn !== undefined) await turn;
          }
          if (kept.length > 0) return kept;
        }
      },
      position: () => ({ stage: "filter", at: [seen], inputs: [input.position()] }),
      close: () => input.close(),
    };
  }
}

/** Refuses what is no function of `argument`. */
export function checkFunction(where: string, given: unknown, argument: string): void {
  if (typeof given === "function") return;
  throw new RondoError({
    where,
    received: valueText(given),
    expected: `a function of ${argument}`,
    fix: `Write for example ${where.replace("dataset.", "dataset.")}((element) => …)`,
  });
}
