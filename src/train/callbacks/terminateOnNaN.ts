import { RondoError } from "../../errors.js";
import { sizeOf, type Tensor } from "../../tensor.js";
import { Callback, type Logs } from "./callback.js";

/**
 * Ends the training with an error as soon as the loss is NaN or infinite, and says whether the input is the cause. (Keras
 * stops without an error unless `raise_error` is set.)
 *
 * @throws RondoError out of `fit`
 */
export class TerminateOnNaN extends Callback {
  #epoch = 0;

  onEpochBegin(epoch: number): void {
    this.#epoch = epoch;
  }

  onTrainBatchEnd(batch: number, { loss }: Logs): void {
    if (loss === undefined || Number.isFinite(loss)) return;
    const position = this.params.inputs.map(firstNonFinite).find((found) => found !== undefined);
    throw new RondoError({
      where: "terminateOnNaN",
      received: `a loss of ${loss} in batch ${batch} of epoch ${this.#epoch + 1}${position === undefined ? "" : `; the input holds ${position}`}`,
      expected: "a finite loss",
      fix:
        position === undefined
          ? "Lower the learning rate, or limit the gradients with clipNorm"
          : "Remove or replace these values before training, or mask their time steps",
    });
  }
}

function firstNonFinite({ data, shape }: Tensor): string | undefined {
  if (!(data instanceof Float32Array)) return undefined;
  const at = data.findIndex((value) => !Number.isFinite(value));
  return at < 0 ? undefined : `${data[at]} in row ${Math.floor(at / sizeOf(shape.slice(1)))}`;
}
