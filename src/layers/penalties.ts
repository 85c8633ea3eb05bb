import { constraint } from "./constraints.js";
import { regularizer } from "./regularizers.js";

/** The penalties and constraints of a layer with a kernel and a bias; default none each. */
export const weightPenaltyFields = {
  /** Adds to the loss for the kernel. */
  kernelRegularizer: regularizer,
  /** Adds to the loss for the bias. */
  biasRegularizer: regularizer,
  /** What the kernel is brought to after each update. */
  kernelConstraint: constraint,
  /** What the bias is brought to after each update. */
  biasConstraint: constraint,
};

/** Those of a layer, with the one of its outputs. */
export const activityField = {
  /** Adds to the loss for the outputs, divided by the number of rows; masked steps cost nothing. */
  activityRegularizer: regularizer,
};

export const penaltyFields = { ...weightPenaltyFields, ...activityField };
