import type { SymbolicTensor } from "../../graph/ir.js";
import {
  add,
  cast,
  clipByValue,
  div,
  equalTo,
  floor,
  less,
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
import { scalar } from "../../graph/ops/source.js";
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
  /** Of the loss; where gradients are accumulated, of the sum of each of its terms. One for each weight, in its shape. */
  readonly gradients: readonly (readonly SymbolicTensor[])[];
  /** Values of the slots that `slotsOf` lists. */
  slot(name: string): SymbolicTensor;
}

// The slots that shared options need beside the optimizer's own.
/** The moving average of the parameters, with `useEma`. */
export const averageSlot = "model/average";
/**
 * With `gradientAccumulationSteps`, of each term of the loss: the mean gradient of all that was seen since the last update,
 * times the steps that this took, so that it is the sum of their gradients where all steps count alike.
 */
export const accumulatorSlot = (term: number): string => `model/gradients${term === 0 ? "" : `/${term}`}`;
/** By how much the sums of the steps since the last update are divided; `unknownCount`: nobody knows. */
export const countSlot = (term: number): string => `model/counts${term === 0 ? "" : `/${term}`}`;
/** Of steps that Keras took, which does not tell: they count as the next one does. */
export const unknownCount = -1;

/**
 * All slots of an optimizer: its own, and those that its shared options need.
 *
 * @param terms how many terms the loss has
 */
export function slotsOf(optimizer: Optimizer, terms: number): readonly Required<Slot>[] {
  const { slots, useEma, gradientAccumulationSteps } = optimizer;
  const all: (string | Slot)[] = [...slots];
  if (useEma) all.push(averageSlot);
  for (let i = 0; gradientAccumulationSteps && i < terms; i++)
    all.push(accumulatorSlot(i), { name: countSlot(i), scalar: true });
  return all.map(slotOf);
}

/** What all groups have in common in an update. */
export interface UpdateOptions {
  /** float32 [] */
  readonly learningRate: SymbolicTensor;
  /** int32 or float32 []: training steps before this one. */
  readonly steps: SymbolicTensor;
  /** What the sum of each term of the loss is to be divided by, float32 []; undefined: 1. For accumulation alone. */
  readonly counts?: readonly (SymbolicTensor | undefined)[];
}

/**
 * One update of all trained weights, in Keras's order: accumulation of gradients, clipping, weight decay, the optimizer's
 * rule, moving average, constraints.
 *
 * Accumulated gradients are those of the loss over all data of the steps together, however it was cut: each term of the
 * loss is the sum of all steps divided by the count of all steps. Where all steps count alike, that is Keras's mean of their
 * gradients.
 *
 * @returns new values of each group's parameters and slots
 */
export function updateGroups(
  optimizer: Optimizer,
  groups: readonly UpdateInput[],
  { learningRate, steps, counts = [] }: UpdateOptions,
): readonly Updated[] {
  const before = cast(steps, "float32");
  const every = optimizer.gradientAccumulationSteps;
  const updates = every ? floor(div(before, every)) : before;
  const accumulation = every ? { every, place: mod(before, every) } : undefined;
  const due = accumulation && equalTo(add(accumulation.place, 1), accumulation.every);
  const accumulated = accumulation && groups.map((group) => accumulate(group, counts, accumulation.place));
  const gradients = clipped(
    optimizer,
    groups.map(({ gradients: [own = []], weights }, i) => {
      const sums = accumulated?.[i]?.sums;
      return sums === undefined || !every
        ? own
        : pieces(
            div(
              sums.reduce((a, b) => add(a, b)),
              every,
            ),
            weights,
          );
    }),
  );
  return groups.map((group, i) => {
    const { parameters, weights, slot } = group;
    const own = optimizer.update({
      parameters: decayed(optimizer, group, learningRate),
      gradients: gradients[i] ?? flat(group.gradients[0] ?? []),
      learningRate,
      iteration: add(updates, 1),
      slot,
    });
    const slots = { ...own.slots };
    let next = own.parameters;
    if (due !== undefined) {
      next = where(due, next, parameters);
      for (const [name, value] of Object.entries(own.slots)) slots[name] = where(due, value, slot(name));
      for (const [name, value] of accumulated?.[i]?.slots ?? []) slots[name] = where(due, 0, value);
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

/**
 * What a step adds to the accumulators of a group: from a mean A/k over k steps that count n together to that over k + 1,
 * with a sum G that counts N, is (k+1)·(n·A/k + G)/(n + N).
 *
 * @param k float32 []: steps since the last update
 */
function accumulate(
  { gradients, slot }: UpdateInput,
  counts: UpdateOptions["counts"],
  k: SymbolicTensor,
): {
  readonly sums: readonly SymbolicTensor[];
  readonly slots: readonly (readonly [string, SymbolicTensor])[];
} {
  const slots: (readonly [string, SymbolicTensor])[] = [];
  const sums = gradients.map((own, term) => {
    const count = counts?.[term] ?? scalar(1);
    const kept = slot(countSlot(term));
    const counted = where(less(kept, 0), mul(k, count), kept);
    const all = add(counted, count);
    const share = div(add(k, 1), where(equalTo(all, 0), 1, all));
    const earlier = mul(slot(accumulatorSlot(term)), div(mul(share, counted), maximum(k, 1)));
    const sum = add(earlier, mul(flat(own), share));
    slots.push([accumulatorSlot(term), sum], [countSlot(term), all]);
    return sum;
  });
  return { sums, slots };
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
