import { checkOptions, RondoError, valueText } from "../../errors.js";
import type { Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";

/** How the file is written. */
export interface CSVLoggerOptions {
  /** Between the columns; default a comma. */
  readonly separator?: string;
  /** Whether rows are added to a file that is there already; default false: it is replaced. */
  readonly append?: boolean;
}

const where = "csvLogger";
const lineEnd = "\r\n";

/** What reads and writes files is loaded when it is used. */
const files = () => import("#files");

/**
 * Writes the figures of each epoch as a row of a CSV file (RFC 4180), with a header: the epoch, counted from 0, then the
 * figures of the first epoch in the order of their names. Options and columns are Keras's: without validation its columns
 * are there, too, and what is not reported is `NA`.
 */
export class CSVLogger extends Callback {
  readonly #target: string | ((csv: string) => void | Promise<void>);
  readonly #separator: string;
  readonly #append: boolean;
  #keys: readonly string[] | undefined;
  #text = "";

  /**
   * @param target the path of the file (in Node), or a function that is given the whole text after each epoch
   * @throws RondoError for what is neither, and for unknown options
   */
  constructor(target: string | ((csv: string) => void | Promise<void>), options: CSVLoggerOptions = {}) {
    super();
    checkOptions(where, options, ["separator", "append"]);
    if (typeof target !== "function" && (typeof target !== "string" || target === "")) {
      throw new RondoError({
        where,
        received: `${valueText(target)} for its target`,
        expected: "the path of a file, or a function of the text",
        fix: 'Write for example csvLogger("training.csv")',
      });
    }
    const { separator = ",", append = false } = options;
    if (typeof separator !== "string" || separator.length !== 1 || /["\r\n]/.test(separator)) {
      throw new RondoError({
        where,
        received: `separator: ${valueText(separator)}`,
        expected: "one character that is no quote and no line end",
        fix: 'Write for example separator: ";"',
      });
    }
    this.#target = target;
    this.#separator = separator;
    this.#append = append;
  }

  /** Begins the file, or goes on in it. */
  async onTrainBegin(): Promise<void> {
    this.#keys = undefined;
    if (!this.#append) this.#text = "";
    else if (typeof this.#target === "string") this.#text = await textOf(this.#target);
  }

  /** Writes the epoch's row. */
  async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    if (this.#keys === undefined) {
      const keys = Object.keys(logs).sort();
      const validated = keys.some((key) => key.startsWith("val_"));
      this.#keys = validated ? keys : [...keys, ...keys.map((key) => `val_${key}`)];
      if (this.#text === "") this.#write(["epoch", ...this.#keys]);
      else if (!/[\r\n]$/.test(this.#text)) this.#text += lineEnd;
    }
    this.#write([epoch, ...this.#keys.map((key) => logs[key] ?? "NA")]);
    if (typeof this.#target === "function") await this.#target(this.#text);
    else await (await files()).writeBytes(this.#target, new TextEncoder().encode(this.#text));
  }

  /** The rows so far. */
  getState(): Kept {
    return { keys: this.#keys, text: this.#text };
  }
  /** Goes on after these rows. */
  setState(state: Kept): void {
    const { keys, text } = state as { readonly keys: readonly string[] | undefined; readonly text: string };
    this.#keys = keys;
    this.#text = text;
  }

  #write(cells: readonly (string | number)[]): void {
    const quoted = (text: string) =>
      text.includes(this.#separator) || /["\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    this.#text += cells.map((cell) => quoted(String(cell))).join(this.#separator) + lineEnd;
  }
}

/** The text of a file; "" where there is none. */
async function textOf(path: string): Promise<string> {
  const { exists, readBytes } = await files();
  return (await exists(path)) ? new TextDecoder().decode(await readBytes(path)) : "";
}
