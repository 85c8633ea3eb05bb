import { EarlyStopping, type EarlyStoppingOptions } from "./callbacks/earlyStopping.js";
import { History } from "./callbacks/history.js";
import { LearningRateScheduler, type Schedule } from "./callbacks/learningRateScheduler.js";
import { ProgressBar, type Terminal } from "./callbacks/progressBar.js";
import { TerminateOnNaN } from "./callbacks/terminateOnNaN.js";

/** The callbacks; an object with any of their hooks is one too. */
export const callbacks = {
  earlyStopping: (options?: EarlyStoppingOptions): EarlyStopping => new EarlyStopping(options),
  history: (): History => new History(),
  learningRateScheduler: (schedule: Schedule): LearningRateScheduler => new LearningRateScheduler(schedule),
  progressBar: (terminal?: Terminal): ProgressBar => new ProgressBar(terminal),
  terminateOnNaN: (): TerminateOnNaN => new TerminateOnNaN(),
};

export type { Configured, Factory } from "../config/configurable.js";
export {
  Callback,
  type CallbackHooks,
  type CallbackModel,
  type CallbackParams,
  type Logs,
} from "./callbacks/callback.js";
export type { ClassWeights, DataArray } from "./dataset.js";
export type { Verbosity } from "./fit.js";
export { type Loss, type LossName, losses, lossKind } from "./losses.js";
export type {
  Accumulation,
  Bounds,
  Counted,
  Figure,
  Measure,
  MeasureFunction,
  Metric,
  Reduction,
  Target,
} from "./measure.js";
export { type MetricName, type MetricSpec, metrics } from "./metrics/index.js";
export type { CompileOptions, LossSpec } from "./objective.js";
export { type OptimizerName, optimizersByName as optimizers } from "./optimizers/index.js";
export type { Optimizer, UpdateContext, Updated } from "./optimizers/optimizer.js";
export type {
  EarlyStopping,
  EarlyStoppingOptions,
  History,
  LearningRateScheduler,
  ProgressBar,
  Schedule,
  Terminal,
  TerminateOnNaN,
};
