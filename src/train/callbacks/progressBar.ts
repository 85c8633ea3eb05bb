import type { Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";

/** Where progress is shown. */
export interface Terminal {
  /** Whether a line can be drawn over (`\r`); if not, only whole lines are written. */
  readonly dynamic: boolean;
  /** Writes as it is, without a line's end. */
  write(text: string): void;
}

/** The process's standard output in Node, the console elsewhere. */
export function defaultTerminal(): Terminal {
  const { process } = globalThis as {
    readonly process?: { readonly stdout?: { readonly isTTY?: boolean; write(text: string): unknown } };
  };
  const stdout = process?.stdout;
  if (stdout === undefined) return { dynamic: false, write: (text) => console.log(text.replace(/\n$/, "")) };
  return { dynamic: stdout.isTTY === true, write: (text) => stdout.write(text) };
}

const width = 20;
/** Least time between two drawings of the bar, and between two lines where it cannot be drawn, ms. */
const interval = { drawn: 50, written: 10_000 };

/**
 * Keras's progress bar: steps done, remaining time (at the end, time taken), time per step, figures. Where the output is
 * no terminal, a line at the end of each epoch, and every ten seconds in between; with verbose 2, the former alone.
 */
export class ProgressBar extends Callback {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #training = false;
  #begin = 0;
  #afterFirst: number | undefined;
  /** When something was last shown; at first when it began, or before that where a bar is drawn at once. */
  #shownAt = 0;
  #drawnWidth = 0;
  /** Steps done, and of the epoch that ended last. */
  #done = 0;
  #counted: number | undefined;

  /** @param now milliseconds */
  constructor(terminal: Terminal = defaultTerminal(), now: () => number = () => performance.now()) {
    super();
    this.#terminal = terminal;
    this.#now = now;
  }

  /** Shows what follows as a training. */
  onTrainBegin(): void {
    this.#training = true;
    this.#counted = undefined;
  }
  /** Ends the training's lines. */
  onTrainEnd(): void {
    this.#training = false;
  }
  /** Shows the epoch's number. */
  onEpochBegin(epoch: number): void {
    this.#restart();
    const { verbose, epochs } = this.params;
    if (verbose > 0 && epochs > 1) this.#terminal.write(`Epoch ${epoch + 1}/${epochs}\n`);
  }
  /** Begins the bar of an evaluation. */
  onTestBegin(): void {
    if (this.#training) return;
    this.#counted = undefined;
    this.#restart();
  }
  /** Begins the bar of a prediction. */
  onPredictBegin(): void {
    this.#counted = undefined;
    this.#restart();
  }
  /** Moves the bar. */
  onTrainBatchEnd(batch: number, logs: Logs): void {
    this.#update(batch + 1, logs);
  }
  /** Moves the bar. */
  onTestBatchEnd(batch: number, logs: Logs): void {
    if (!this.#training) this.#update(batch + 1, logs);
  }
  /** Moves the bar. */
  onPredictBatchEnd(batch: number): void {
    this.#update(batch + 1, {});
  }
  /** Shows the figures of the epoch. */
  onEpochEnd(_epoch: number, logs: Logs): void {
    this.#finish(logs);
  }
  /** Ends the bar of an evaluation. */
  onTestEnd(logs: Logs): void {
    if (!this.#training) this.#finish(logs);
  }
  /** Ends the bar of a prediction. */
  onPredictEnd(): void {
    this.#finish({});
  }

  /** How many steps an epoch has. */
  getState(): Kept {
    return this.#counted;
  }
  /** Takes back how many steps an epoch has. */
  setState(state: Kept): void {
    this.#counted = state as number | undefined;
  }

  #restart(): void {
    this.#begin = this.#now();
    this.#afterFirst = undefined;
    this.#shownAt = this.#terminal.dynamic ? Number.NEGATIVE_INFINITY : this.#begin;
    this.#drawnWidth = 0;
    this.#done = 0;
  }

  /** Of this epoch; where nobody knows, those of the one before. */
  get #steps(): number | undefined {
    return this.params.steps ?? this.#counted;
  }

  #update(done: number, logs: Logs): void {
    const now = this.#now();
    this.#done = done;
    if (done === 1) this.#afterFirst = now;
    const { dynamic } = this.#terminal;
    const least = dynamic ? interval.drawn : interval.written;
    if (this.params.verbose !== 1 || now - this.#shownAt < least) return;
    const steps = this.#steps;
    // Without an end in sight, the time taken.
    const ms =
      steps === undefined ? now - this.#begin : this.#stepTime(done, now) * Math.max(0, steps - done);
    const time = clock(ms / 1000);
    const figures = this.#figures(done, now, logs);
    if (dynamic) this.#draw(done, steps, `${bold(time)}${figures}`);
    else if (steps === undefined) this.#terminal.write(`${done}/Unknown - ${time} -${figures}\n`);
    else if (done < steps) this.#terminal.write(`${done}/${steps} - ${time} left -${figures}\n`);
    this.#shownAt = now;
  }

  #finish(logs: Logs): void {
    const { verbose } = this.params;
    const steps = this.params.steps ?? this.#done;
    this.#counted = steps;
    if (verbose === 0) return;
    const now = this.#now();
    const elapsed = `${((now - this.#begin) / 1000).toFixed(0)}s`;
    if (verbose === 1 && this.#terminal.dynamic) {
      this.#draw(steps, steps, `${bold(elapsed)}${this.#figures(steps, now, logs)}`);
      this.#terminal.write("\n");
    } else {
      this.#terminal.write(`${steps}/${steps} - ${elapsed} -${this.#figures(steps, now, logs)}\n`);
    }
  }

  /** ms; the first step, which compiles, does not count once there are others. */
  #stepTime(done: number, now: number): number {
    if (this.#afterFirst !== undefined && done > 1) return (now - this.#afterFirst) / (done - 1);
    return (now - this.#begin) / Math.max(1, done);
  }

  #figures(done: number, now: number, logs: Logs): string {
    const values = Object.entries(logs).map(([name, value]) => ` - ${name}: ${figure(value)}`);
    return ` ${perStep(this.#stepTime(done, now))}${values.join("")}`;
  }

  #draw(done: number, steps: number | undefined, text: string): void {
    const count = `${done}`.padStart(`${steps ?? ""}`.length);
    const filled = steps === undefined ? 0 : Math.min(width, Math.floor((width * done) / Math.max(1, steps)));
    const bar = steps === undefined ? "" : `${green("━".repeat(filled))}${gray("━".repeat(width - filled))} `;
    const line = `${bold(`${count}/${steps ?? "Unknown"}`)} ${bar}${text}`;
    const visible = [...line.replace(escapes, "")].length;
    this.#terminal.write(`\r${line}${" ".repeat(Math.max(0, this.#drawnWidth - visible))}`);
    this.#drawnWidth = visible;
  }
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours are control characters
const escapes = /\x1b\[\d+m/g;
const bold = (text: string): string => `\x1b[1m${text}\x1b[0m`;
const green = (text: string): string => `\x1b[32m${text}\x1b[0m`;
const gray = (text: string): string => `\x1b[37m${text}\x1b[0m`;

/** Seconds as `12s`, `1:05` or `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole <= 60) return `${whole}s`;
  const two = (n: number) => `${n}`.padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (whole <= 3600) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

/** Milliseconds as `2s/step`, `31ms/step` or `250us/step`. */
function perStep(ms: number): string {
  if (ms >= 1000 || ms === 0) return `${(ms / 1000).toFixed(0)}s/step`;
  return ms >= 1 ? `${ms.toFixed(0)}ms/step` : `${(ms * 1000).toFixed(0)}us/step`;
}

/** Four decimals, or an exponent where they would lose the value; as Keras writes figures. */
function figure(value: number): string {
  if (Math.abs(value) > 1e-3 || !Number.isFinite(value)) return value.toFixed(4);
  return value.toExponential(4).replace(/e([+-])(\d)$/, "e$10$2");
}
