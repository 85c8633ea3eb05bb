/** How long the event loop may be kept busy at a time, ms. */
const slice = 8;

/** What Node has and browsers lack. */
const { setImmediate: immediately } = globalThis as {
  readonly setImmediate?: (resume: () => void) => void;
};

/** Goes on in the next turn of the event loop, without a timer's least time (4 ms in browsers). */
const nextTurn: (resume: () => void) => void =
  immediately !== undefined
    ? (resume) => immediately(resume)
    : (resume) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          resume();
        };
        port2.postMessage(undefined);
      };

/** Lets the event loop turn whenever `tick` finds that a slice of time is used up. */
export class Breather {
  #begin = performance.now();

  /** A promise to wait for, or nothing where there is time left. */
  tick(): Promise<void> | undefined {
    if (performance.now() - this.#begin < slice) return undefined;
    return new Promise((resolve) =>
      nextTurn(() => {
        this.#begin = performance.now();
        resolve();
      }),
    );
  }
}

/** Work that can pause: each `yield` is a place where it may rest, and what it returns is its result. */
export type Steps<R> = Generator<void, R, void>;

/** Whether work of many small parts is to pause after this many of them. */
export const isRest = (parts: number): boolean => parts % 64 === 0;

/** Does all of the work now. */
export function atOnce<R>(steps: Steps<R>): R {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Does the work in slices of about 8 ms, between which the event loop turns. An error of the work rejects. */
export async function inTurns<R>(steps: Steps<R>): Promise<R> {
  const breather = new Breather();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    const rest = breather.tick();
    if (rest !== undefined) await rest;
  }
}
