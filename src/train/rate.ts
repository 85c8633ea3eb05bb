import { RondoError, valueText } from "../errors.js";
import { shapeText } from "../graph/dim.js";
import { SymbolicTensor } from "../graph/ir.js";

/** A learning rate that follows from the step. One of your own is an object with `rate`, written in ops. */
export interface Schedule {
  /**
   * The rate within the program of a step.
   *
   * @param step float32 []: steps before this one, 0 in the first
   * @returns float32 []
   */
  rate(step: SymbolicTensor): SymbolicTensor;
  /** The same for reading, computed in float64. */
  at?(step: number): number;
}

/** Whether a value is a schedule, of Rondo's or of one's own. */
export const isSchedule = (value: object): value is Schedule =>
  typeof (value as Partial<Schedule>).rate === "function";

/**
 * The learning rate of a step within its program.
 *
 * @param step float32 []: steps before this one
 * @throws RondoError where the schedule gives no number
 */
export function rateOf(schedule: Schedule, step: SymbolicTensor): SymbolicTensor {
  const given: unknown = schedule.rate(step);
  if (given instanceof SymbolicTensor && given.dtype === "float32" && given.rank === 0) return given;
  throw new RondoError({
    where: "schedule",
    received:
      given instanceof SymbolicTensor
        ? `${given.dtype} of shape ${shapeText(given.shape)}`
        : valueText(given),
    expected: "one number of the step, float32 []",
    fix: "Compute it in ops, as in { rate: (step) => ops.div(0.1, ops.sqrt(ops.add(step, 1))) }",
  });
}

/**
 * The learning rate of a step as a number, for reading.
 *
 * @param where of the read
 * @throws RondoError where the schedule cannot tell it outside of a program
 */
export function rateAt(where: string, schedule: Schedule, step: number): number {
  const rate: unknown = schedule.at?.(step);
  if (typeof rate === "number") return rate;
  throw new RondoError({
    where,
    received: "a read of learningRate under a schedule without `at`",
    expected: "a schedule that gives its rate as a number too",
    fix: "Add at(step) to the schedule, which returns the number",
  });
}
