import { checkOptions, namesOf, RondoError, valueText } from "../../errors.js";
import type { Kept } from "../kept.js";
import { Callback, type Logs } from "./callback.js";
import { checkNumbers, Monitor, type MonitorOptions, refused } from "./monitor.js";

/** Which files are written, and when. */
export interface ModelCheckpointOptions extends Omit<MonitorOptions, "minDelta"> {
  /**
   * Where the file goes, ending in `.keras`, or with `saveWeightsOnly` in `.safetensors`. `{epoch}`, counted from 1,
   * `{batch}` and the names of figures stand for their values, formatted as in Python: "model-{epoch:02d}-{val_loss:.2f}.keras".
   */
  readonly filepath: string;
  /** Whether a file is written only when the figure is the best so far; default false. */
  readonly saveBestOnly?: boolean;
  /** Whether the weights alone are written; default false: the model. */
  readonly saveWeightsOnly?: boolean;
  /** `epoch` (default), or after how many batches a file is written. */
  readonly saveFreq?: "epoch" | number;
  /** The figure's value that the first file must be better than; default none. */
  readonly initialValueThreshold?: number;
  /** 1: says what is written; default 0. */
  readonly verbose?: 0 | 1;
}

const where = "modelCheckpoint";
const optionNames = namesOf<ModelCheckpointOptions>({
  filepath: true,
  monitor: true,
  verbose: true,
  saveBestOnly: true,
  saveWeightsOnly: true,
  mode: true,
  saveFreq: true,
  initialValueThreshold: true,
});

/** Writes the model, or its weights, to a file while it is trained. Options and behaviour are Keras's. */
export class ModelCheckpoint extends Callback {
  readonly #filepath: string;
  readonly #bestOnly: boolean;
  readonly #weightsOnly: boolean;
  readonly #every: "epoch" | number;
  readonly #verbose: 0 | 1;
  readonly #monitor: Monitor;
  #best: number | undefined;
  #epoch = 0;
  #batches = 0;

  /** @throws RondoError for unknown options and for values that they cannot have */
  constructor(options: ModelCheckpointOptions) {
    super();
    checkOptions(where, options, optionNames);
    checkNumbers(where, options, ["initialValueThreshold"]);
    const { filepath, saveFreq = "epoch", saveBestOnly = false, saveWeightsOnly = false } = options;
    const ending = saveWeightsOnly ? ".safetensors" : ".keras";
    if (typeof filepath !== "string" || !filepath.endsWith(ending)) {
      throw new RondoError({
        where,
        received: `filepath: ${valueText(filepath)}${saveWeightsOnly ? " with saveWeightsOnly" : ""}`,
        expected: `a path that ends in ${ending}`,
        fix: `Write for example filepath: "model-{epoch:02d}${ending}"`,
      });
    }
    if (saveFreq !== "epoch" && !(Number.isInteger(saveFreq) && saveFreq >= 1))
      throw refused(where, "saveFreq", saveFreq, '"epoch", or a whole number of batches');
    this.#filepath = filepath;
    this.#every = saveFreq;
    this.#bestOnly = saveBestOnly;
    this.#weightsOnly = saveWeightsOnly;
    this.#verbose = options.verbose ?? 0;
    this.#monitor = new Monitor(where, { ...options, minDelta: 0 });
    this.#best = options.initialValueThreshold;
  }

  /** Remembers the epoch's number. */
  onEpochBegin(epoch: number): void {
    this.#epoch = epoch;
  }

  /** Writes a file after so many batches, where that was asked for. */
  async onTrainBatchEnd(batch: number, logs: Logs): Promise<void> {
    if (this.#every === "epoch" || ++this.#batches < this.#every) return;
    this.#batches = 0;
    await this.#save({ ...logs, epoch: this.#epoch + 1, batch: batch + 1 });
  }

  /** Writes a file where the epoch is one to keep. */
  async onEpochEnd(epoch: number, logs: Logs): Promise<void> {
    if (this.#every === "epoch") await this.#save({ ...logs, epoch: epoch + 1 });
  }

  /** The best figure so far. */
  getState(): Kept {
    return { best: this.#best, batches: this.#batches };
  }
  /** Takes back the best figure so far. */
  setState(state: Kept): void {
    const { best, batches } = state as { readonly best: number | undefined; readonly batches: number };
    this.#best = best;
    this.#batches = batches;
  }

  async #save(values: Logs): Promise<void> {
    const path = formatted(this.#filepath, values);
    const say = (text: string) => {
      if (this.#verbose > 0) console.log(`Epoch ${values.epoch}: ${text}`);
    };
    if (this.#bestOnly) {
      const current = this.#monitor.value(values);
      const before = this.#best === undefined ? "none" : this.#best.toFixed(5);
      if (!this.#monitor.improves(current, this.#best)) {
        say(`${this.#monitor.name} did not improve from ${before}`);
        return;
      }
      say(`${this.#monitor.name} improved from ${before} to ${current.toFixed(5)}`);
      this.#best = current;
    }
    await (this.#weightsOnly ? this.model.saveWeights(path) : this.model.save(path));
    say(`saved ${this.#weightsOnly ? "the weights" : "the model"} to ${path}`);
  }
}

/**
 * A text with values in it, as Python's `str.format` makes it of numbers: `{epoch:02d}`, `{val_loss:.2f}`, `{loss}`.
 *
 * @throws RondoError for names without a value and formats that are none of numbers
 */
export function formatted(text: string, values: Logs): string {
  return text.replace(/\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}/g, (found, name?: string, spec = "") => {
    if (name === undefined) return found.slice(1);
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) {
      throw new RondoError({
        where,
        received: `{${name}} in the filepath "${text}", which this training does not report`,
        expected: `one of ${Object.keys(values).join(", ")}`,
        fix: name.startsWith("val_") ? "Pass validationData or validationSplit to fit" : "Change filepath",
      });
    }
    const [, zero, width = "", places, type = ""] = /^(0?)(\d*)(?:\.(\d+))?([dfeg%]?)$/.exec(spec) ?? [];
    if (zero === undefined) {
      throw new RondoError({
        where,
        received: `{${name}:${spec}} in the filepath`,
        expected: "a format of numbers as in Python, such as 02d or .3f",
        fix: "Change filepath",
      });
    }
    // Epochs and batches are Python's whole numbers, figures its floats.
    const counted = (name === "epoch" || name === "batch") && type === "" && places === undefined;
    const digits = numberText(value, places === undefined ? undefined : Number(places), counted ? "d" : type);
    const [, sign = "", rest = digits] = /^(-?)(.*)$/.exec(digits) ?? [];
    const length = Number(width);
    return zero === "" ? digits.padStart(length) : sign + rest.padStart(length - sign.length, "0");
  });
}

/** A number in one of Python's formats. */
function numberText(value: number, places: number | undefined, type: string): string {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "inf").replace("NaN", "nan");
  if (type === "f") return fixed(value, places ?? 6);
  if (type === "%") return `${fixed(value * 100, places ?? 6)}%`;
  if (type === "e") return pythonExponent(value.toExponential(places ?? 6));
  if (type === "g" || (type === "" && places !== undefined)) return general(value, Math.max(1, places ?? 6));
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return pythonExponent(value.toExponential());
  return Number.isInteger(value) && type !== "d" ? value.toFixed(1) : String(value);
}

/** So many digits, without zeros at the end. */
function general(value: number, places: number): string {
  const scientific = value.toExponential(places - 1);
  const exponent = Number(scientific.slice(scientific.indexOf("e") + 1));
  const text = exponent < -4 || exponent >= places ? scientific : value.toFixed(places - 1 - exponent);
  return pythonExponent(text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, ""));
}

/** Python writes at least two digits of an exponent. */
const pythonExponent = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");

/** `toFixed` that rounds what lies exactly between two numbers to the even one, as Python does. */
function fixed(value: number, places: number): string {
  const rounded = value.toFixed(places);
  const exact = Math.abs(value).toFixed(100);
  const tail = exact.slice(exact.indexOf(".") + 1 + places);
  if (!/^50*$/.test(tail)) return rounded;
  const below = exact.slice(0, exact.length - tail.length).replace(/\.$/, "");
  return /[02468]$/.test(below) ? (value < 0 ? "-" : "") + below : rounded;
}
