import type { SymbolicTensor } from "../../graph/ir.js";
import {
  add,
  cast,
  clipByValue,
  div,
  equalTo,
  floor,
  maximum,
  mod,
  mul,
  sqrt,
  square,
  sub,
  where,
} from "../../graph/ops/elementwise.js";
import { concat } from "../../graph/ops/join.js";
import { sum } from "../../graph/ops/reduce.js";
import { reshape, slice } from "../../graph/ops/shape.js";
import { type Constraint, constrained } from "../../layers/constraints.js";
import { type Optimizer, type Slot, slotOf, type Updated } from "./optimizer.js";

/** A weight within the vector of its group: all that an update must know of it. */
export interface UpdatedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
  readonly constraint: Constraint | null;
}

/** A group of weights before an update. */
export interface UpdateInput {
  /** [P] */
  readonly parameters: SymbolicTensor;
  readonly weights: readonly UpdatedWeight[];
  /** One for each weight, in its shape. */
  readonly gradients: readonly SymbolicTensor[];
  /** Values of the slots that `slotsOf` lists. */
  slot(name: string): SymbolicTensor;
}

// The slots that shared options need beside the optimizer's own.
/** The moving average of the parameters, with `useEma`. */
export const averageSlot = "model/average";
/** The sum of the gradients since the last update, with `gradientAccumulationSteps`. */
export const accumulatorSlot = "model/gradients";

/** All slots of an optimizer: its own, and those that its shared options need. */
export const slotsOf = ({ slots, useEma, gradientAccumulationSteps }: Optimizer): readonly Required<Slot>[] =>
  [...slots, ...(useEma ? [averageSlot] : []), ...(gradientAccumulationSteps ? [accumulatorSlot] : [])].map(
    slotOf,
  );

/**
 * One update of all trained weights, in Keras's order: accumulation of gradients, clipping, weight decay, the optimizer's
 * rule, moving average, constraints.
 *
 * @param learningRate float32 []
 * @param steps int32 or float32 []: training steps before this one
 * @returns new values of each group's parameters and slots
 */
export function updateGroups(
  optimizer: Optimizer,
  groups: readonly UpdateInput[],
  { learningRate, steps }: { readonly learningRate: SymbolicTensor; readonly steps: SymbolicTensor },
): readonly Updated[] {
  const before = cast(steps, "float32");
  const every = optimizer.gradientAccumulationSteps;
  const updates = every ? floor(div(before, every)) : before;
  const due = every ? equalTo(mod(add(before, 1), every), 0) : undefined;
  const sums = due && groups.map(({ gradients, slot }) => add(flat(gradients), slot(accumulatorSlot)));
  const gradients = clipped(
    optimizer,
    groups.map((group, i) => {
      const total = sums?.[i];
      return total === undefined || !every ? group.gradients : pieces(div(total, every), group.weights);
    }),
  );
  return groups.map((group, i) => {
    const { parameters, weights, slot } = group;
    const own = optimizer.update({
      parameters: decayed(optimizer, group, learningRate),
      gradients: gradients[i] ?? flat(group.gradients),
      learningRate,
      iteration: add(updates, 1),
      slot,
    });
    const slots = { ...own.slots };
    let next = own.parameters;
    const total = sums?.[i];
    if (due !== undefined && total !== undefined) {
      next = where(due, next, parameters);
      for (const [name, value] of Object.entries(own.slots)) slots[name] = where(due, value, slot(name));
      slots[accumulatorSlot] = where(due, 0, total);
    }
    if (optimizer.useEma) {
      const { emaMomentum = 0.99, emaOverwriteFrequency } = optimizer;
      // The first update has no average before it.
      const kept = where(equalTo(updates, 0), 0, emaMomentum);
      const mean = add(mul(kept, slot(averageSlot)), mul(sub(1, kept), next));
      slots[averageSlot] = mean;
      if (emaOverwriteFrequency)
        next = where(equalTo(mod(add(updates, 1), emaOverwriteFrequency), 0), mean, next);
    }
    if (weights.some(({ constraint }) => constraint !== null)) {
      const values = pieces(next, weights).map((value, k) => {
        const { name = "", constraint = null } = weights[k] ?? {};
        return constraint === null ? value : constrained(name, constraint, value);
      });
      next = flat(values);
    }
    return { parameters: next, slots };
  });
}

const flat = (values: readonly SymbolicTensor[]): SymbolicTensor =>
  concat(
    values.map((value) => reshape(value, [-1])),
    0,
  );

/** The weights in a group's vector, in their shapes. */
const pieces = (vector: SymbolicTensor, weights: readonly UpdatedWeight[]): SymbolicTensor[] =>
  weights.map(({ offset, size, shape }) => reshape(slice(vector, [offset], [size]), shape));

/**
 * Each group's gradients as a vector, limited as the options say. A norm n above the limit c scales by c/n (Pascanu et al.
 * 2013, algorithm 1). Gradients of all groups lie side by side.
 */
function clipped(
  { clipNorm, clipValue, globalClipNorm }: Optimizer,
  groups: readonly (readonly SymbolicTensor[])[],
): SymbolicTensor[] {
  const limited = clipNorm ? groups.map((group) => group.map((g) => scaleTo(g, clipNorm))) : groups;
  const bare = flat(limited.flat());
  const all = clipNorm
    ? bare
    : globalClipNorm
      ? scaleTo(bare, globalClipNorm)
      : clipValue
        ? clipByValue(bare, -clipValue, clipValue)
        : bare;
  if (groups.length === 1) return [all];
  let begin = 0;
  return groups.map((group) => {
    const size = group.reduce((n, { shape }) => n + shape.reduce<number>((p, d) => p * Number(d), 1), 0);
    begin += size;
    return slice(all, [begin - size], [size]);
  });
}

/** g, or g scaled to the norm `limit` where its own is larger; NaN stays NaN. */
const scaleTo = (g: SymbolicTensor, limit: number): SymbolicTensor =>
  mul(g, div(limit, maximum(sqrt(sum(square(g))), limit)));

/** The parameters after weight decay. */
function decayed(
  { weightDecay, excludeFromWeightDecay = [] }: Optimizer,
  { parameters, weights }: UpdateInput,
  learningRate: SymbolicTensor,
): SymbolicTensor {
  if (!weightDecay) return parameters;
  const decay = (x: SymbolicTensor) => sub(x, mul(mul(x, weightDecay), learningRate));
  const stays = ({ name }: UpdatedWeight) => excludeFromWeightDecay.some((text) => name.includes(text));
  if (!weights.some(stays)) return decay(parameters);
  return flat(
    pieces(parameters, weights).map((value, i) => {
      const weight = weights[i];
      return weight !== undefined && stays(weight) ? value : decay(value);
    }),
  );
}
