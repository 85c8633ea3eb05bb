import { RondoError } from "../../errors.js";
import type { Diagnosis } from "../harm.js";
import { Callback, type Logs } from "./callback.js";

/** Watches the loss of the batches of a fit, and does something, once, about the first that is not finite. */
abstract class LossWatch extends Callback {
  #epoch = 0;
  #seen = false;

  protected abstract found(loss: string, diagnosis: Diagnosis): void;

  /** Begins anew. */
  onTrainBegin(): void {
    this.#seen = false;
  }

  /** Remembers the epoch's number. */
  onEpochBegin(epoch: number): void {
    this.#epoch = epoch;
  }

  /** Looks at the loss. */
  async onTrainBatchEnd(batch: number, { loss }: Logs): Promise<void> {
    if (this.#seen || loss === undefined || Number.isFinite(loss)) return;
    this.#seen = true;
    const place = `${loss} in batch ${batch} of epoch ${this.#epoch + 1}`;
    const { diagnose } = await import("../harm.js");
    this.found(place, await diagnose(this.params.inputs));
  }
}

/**
 * Ends the training with an error as soon as the loss is NaN or infinite, and says whether the data is the cause: which of
 * x, y and sampleWeight, and where. (Keras stops without an error unless `raise_error` is set.)
 *
 * @throws RondoError out of `fit`
 */
export class TerminateOnNaN extends LossWatch {
  /** What is done where the loss is no number. */
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
  /** What is done where the loss is no number. */
  protected override found(loss: string, { harm, fix }: Diagnosis): void {
    console.warn(
      `rondo: fit: the loss is ${loss}; ${harm ?? "the data holds neither NaN nor infinities"}. ${fix}.`,
    );
  }
}
