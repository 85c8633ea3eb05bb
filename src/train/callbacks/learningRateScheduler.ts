import { RondoError, valueText } from "../../errors.js";
import { Callback, type Logs } from "./callback.js";

/** From the epoch (from 0) and the present learning rate to the one of this epoch. */
export type RateOfEpoch = (epoch: number, learningRate: number) => number;

/** Sets the learning rate at the beginning of each epoch, and adds it to the logs as `learningRate`. */
export class LearningRateScheduler extends Callback {
  readonly #schedule: RateOfEpoch;

  constructor(schedule: RateOfEpoch) {
    super();
    if (typeof schedule !== "function") {
      throw new RondoError({
        where: "learningRateScheduler",
        received: `${valueText(schedule)} for a schedule`,
        expected: "a function of the epoch and the present learning rate",
        fix: "Write for example learningRateScheduler((epoch, rate) => rate * 0.9)",
      });
    }
    this.#schedule = schedule;
  }

  /** Sets the epoch's learning rate. */
  onEpochBegin(epoch: number): void {
    const rate = this.#schedule(epoch, this.model.learningRate);
    if (!(typeof rate === "number" && Number.isFinite(rate))) {
      throw new RondoError({
        where: "learningRateScheduler",
        received: `${rate} from the schedule for epoch ${epoch}`,
        expected: "a finite number",
        fix: "Return the learning rate from the schedule",
      });
    }
    this.model.learningRate = rate;
  }

  /** Adds the learning rate to the figures. */
  onEpochEnd(_epoch: number, logs: Logs): void {
    logs.learningRate = this.model.learningRate;
  }
}
