import type { Json } from "../config/config.js";
import type { CallbackHooks } from "./callbacks/callback.js";

/** Where a fit stands within an epoch, between two steps. */
export interface Within {
  /** Batches of the epoch that have been submitted. The last of them may be under way; the next is not asked for. */
  readonly batch: number;
  /** Sums of the accumulators of those that have ended. */
  readonly totals: readonly number[];
  /** The accumulators of the last one, where its end has not been told; undefined where it has. */
  readonly pending?: readonly number[] | undefined;
}

/** Where a fit stands. */
export interface Standing<W = Within> {
  /** The epoch that it is in; between two: the one that comes. */
  readonly epoch: number;
  /** Undefined between two epochs. */
  readonly within: W | undefined;
  /** Whether a callback has stopped the training. */
  readonly stopped: boolean;
  /** Where the data goes on. */
  readonly position: Json;
}

/** The same while the last batch may be under way. */
export type Standpoint = Standing<
  Omit<Within, "pending"> & { readonly pending?: Promise<readonly number[]> | undefined }
>;

/** Keeps a fit, so that it can go on in another process. */
export interface Keeper {
  /** Where it goes on; undefined: it begins. */
  readonly from: Standing | undefined;
  /** Puts back what is kept of the model and of callbacks, after the hooks of their beginning. */
  restore(callbacks: readonly CallbackHooks[]): Promise<void>;
  /**
   * Between two steps: keeps the fit as it stands, where that is due.
   *
   * @param last whether the fit ends here, because it is aborted
   */
  between(standpoint: () => Standpoint, last: boolean): void;
  /** Holds the fit as it stands, which is kept where it is aborted before it stands elsewhere. */
  hold(standpoint: Standpoint): void;
  /** An epoch and its hooks are over. */
  epochEnded(standpoint: Standpoint): void;
  /**
   * The fit is over: resolves when what is to be written is.
   *
   * @param standpoint where that is between two epochs
   */
  finished(aborted: boolean, standpoint: Standpoint | undefined): Promise<void>;
}
