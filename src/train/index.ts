import { BackupAndRestore, type BackupAndRestoreOptions } from "./callbacks/backupAndRestore.js";
import { CSVLogger, type CSVLoggerOptions } from "./callbacks/csvLogger.js";
import { EarlyStopping, type EarlyStoppingOptions } from "./callbacks/earlyStopping.js";
import { History } from "./callbacks/history.js";
import { LearningRateScheduler, type RateOfEpoch } from "./callbacks/learningRateScheduler.js";
import { ModelCheckpoint, type ModelCheckpointOptions } from "./callbacks/modelCheckpoint.js";
import { ProgressBar, type Terminal } from "./callbacks/progressBar.js";
import { ReduceLROnPlateau, type ReduceLROnPlateauOptions } from "./callbacks/reduceLROnPlateau.js";
import { TerminateOnNaN } from "./callbacks/terminateOnNaN.js";

/** The callbacks; an object with any of their hooks is one too. */
export const callbacks = {
  /** Keeps a fit in a folder, so that it goes on where it was interrupted. */
  backupAndRestore: (folder: string, options?: BackupAndRestoreOptions): BackupAndRestore =>
    new BackupAndRestore(folder, options),
  /** Writes the figures of each epoch to a CSV file. */
  csvLogger: (
    target: string | ((csv: string) => void | Promise<void>),
    options?: CSVLoggerOptions,
  ): CSVLogger => new CSVLogger(target, options),
  /** Ends the training where a figure does not improve any more. */
  earlyStopping: (options?: EarlyStoppingOptions): EarlyStopping => new EarlyStopping(options),
  /** The figures of all epochs; `fit` returns one. */
  history: (): History => new History(),
  /** Sets the learning rate of each epoch. */
  learningRateScheduler: (schedule: RateOfEpoch): LearningRateScheduler =>
    new LearningRateScheduler(schedule),
  /** Writes the model, or its weights, after epochs or batches. */
  modelCheckpoint: (options: ModelCheckpointOptions): ModelCheckpoint => new ModelCheckpoint(options),
  /** Keras's progress bar; `fit` shows one, or in its place the one that is among its callbacks. */
  progressBar: (terminal?: Terminal): ProgressBar => new ProgressBar(terminal),
  /** Lowers the learning rate where a figure does not improve any more. */
  reduceLROnPlateau: (options?: ReduceLROnPlateauOptions): ReduceLROnPlateau =>
    new ReduceLROnPlateau(options),
  /** Ends the training with an error where the loss is NaN or infinite. */
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
export type { Verbosity } from "./fit.js";
export type { KeepingPlan, Kept } from "./kept.js";
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
export type { AdadeltaOptions } from "./optimizers/adadelta.js";
export type { AdagradOptions } from "./optimizers/adagrad.js";
export type { AdamOptions, AdamWOptions } from "./optimizers/adam.js";
export type { AdamaxOptions } from "./optimizers/adamax.js";
export { type OptimizerName, optimizerKind, optimizersByName as optimizers } from "./optimizers/index.js";
export type { NadamOptions } from "./optimizers/nadam.js";
export type { Optimizer, SharedFields, Slot, UpdateContext, Updated } from "./optimizers/optimizer.js";
export type { RMSpropOptions } from "./optimizers/rmsprop.js";
export type { SGDOptions } from "./optimizers/sgd.js";
export type { Schedule } from "./rate.js";
export type { ClassWeights, DataArray } from "./samples.js";
export {
  type BuiltInSchedule,
  type ScheduleName,
  scheduleKind,
  schedules,
} from "./schedules.js";
export type {
  BackupAndRestore,
  BackupAndRestoreOptions,
  CSVLogger,
  CSVLoggerOptions,
  EarlyStopping,
  EarlyStoppingOptions,
  History,
  LearningRateScheduler,
  ModelCheckpoint,
  ModelCheckpointOptions,
  ProgressBar,
  RateOfEpoch,
  ReduceLROnPlateau,
  ReduceLROnPlateauOptions,
  Terminal,
  TerminateOnNaN,
};
