// The scripts as programs: whether one is, and what it prints.
import { existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Whether the module at `url` (its `import.meta.url`) is the program that Node was started with, by whatever path. */
export function isProgram(url) {
  const [, program] = process.argv;
  return (
    program !== undefined && existsSync(program) && realpathSync(program) === realpathSync(fileURLToPath(url))
  );
}

/** Least time between two lines about progress where it cannot be drawn over, ms. */
const interval = 10_000;

/** The lines of a set-up, and how far its compilers are: drawn over on a terminal, a line every ten seconds in a log. */
export class Progress {
  #output;
  #now;
  /** Compilers at work, by what they make. */
  #working = new Map();
  #last;

  /** @param now milliseconds */
  constructor(output = process.stdout, now = () => performance.now()) {
    this.#output = output;
    this.#now = now;
    this.#last = now();
  }

  /** Prints a line. */
  say(text) {
    this.#output.write(`${this.#output.isTTY ? "\r\u001b[K" : ""}Set-up: ${text}\n`);
    this.#last = this.#now();
    if (this.#output.isTTY) this.#draw();
  }

  /** Tells that `done` of `total` files for `what` are compiled. */
  compiled(what, done, total) {
    if (done < total) this.#working.set(what, `${done} of ${total} files for the ${what}`);
    else this.#working.delete(what);
    if (this.#output.isTTY) this.#draw();
    else if (this.#now() - this.#last >= interval && this.#working.size > 0) this.say(this.#status());
  }

  /** Takes the line about progress away. */
  end() {
    this.#working.clear();
    if (this.#output.isTTY) this.#draw();
  }

  #draw() {
    this.#output.write(`\r\u001b[K${this.#working.size > 0 ? `Set-up: ${this.#status()}` : ""}`);
  }

  #status() {
    return `compiled ${[...this.#working.values()].join(", ")}`;
  }
}
