import { RondoError } from "../../errors.js";
import { Callback, type CallbackParams, type Logs } from "./callback.js";

/** What to say of a loss that is not finite. */
interface Diagnosis {
  /** What is wrong in the data; undefined where nothing is. */
  readonly harm: string | undefined;
  readonly fix: string;
}

async function diagnose({ inputs }: CallbackParams): Promise<Diagnosis> {
  const { findHarm } = await import("../harm.js");
  const harm = await findHarm(inputs);
  const fix =
    harm === undefined
      ? "Lower the learning rate, limit the gradients with clipNorm, or scale the data; weights that are NaN stay so: begin again with a new model"
      : "Remove or replace such values before training, or mask their time steps";
  return { harm, fix };
}

/** Watches the loss of the batches of a fit, and does something, once, about the first that is not finite. */
abstract class LossWatch extends Callback {
  #epoch = 0;
  #seen = false;

  protected abstract found(loss: string, diagnosis: Diagnosis): void;

  onTrainBegin(): void {
    this.#seen = false;
  }

  onEpochBegin(epoch: number): void {
    this.#epoch = epoch;
  }

  async onTrainBatchEnd(batch: number, { loss }: Logs): Promise<void> {
    if (this.#seen || loss === undefined || Number.isFinite(loss)) return;
    this.#seen = true;
    const place = `${loss} in batch ${batch} of epoch ${this.#epoch + 1}`;
    this.found(place, await diagnose(this.params));
  }
}

/**
 * Ends the training with an error as soon as the loss is NaN or infinite, and says whether the data is the cause: which of
 * x, y and sampleWeight, and where. (Keras stops without an error unless `raise_error` is set.)
 *
 * @throws RondoError out of `fit`
 */
export class TerminateOnNaN extends LossWatch {
  protected override found(loss: string, { harm, fix }: Diagnosis): void {
    throw new RondoError({
      where: "terminateOnNaN",
      received: `a loss of ${loss}${harm === undefined ? "" : `; ${harm}`}`,
      expected: "a finite loss",
      fix,
    });
  }
}

/** Says, once in a fit, that the loss is NaN or infinite, and whether the data is the cause. Every fit has one. */
export class WarnOnNaN extends LossWatch {
  protected override found(loss: string, { harm, fix }: Diagnosis): void {
    console.warn(
      `rondo: fit: the loss is ${loss}; ${harm ?? "the data holds neither NaN nor infinities"}. ${fix}.`,
    );
  }
}
