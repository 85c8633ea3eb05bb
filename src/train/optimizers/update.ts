import { apply, type SymbolicTensor } from "../../graph/ir.js";
import {
  add,
  cast,
  clipByValue,
  div,
  equalTo,
  exp,
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
import { gather, scatterAddOp } from "../../graph/ops/gather.js";
import { concat } from "../../graph/ops/join.js";
import { sum } from "../../graph/ops/reduce.js";
import { eachRow, groupRows, type RowGroups, sumRows } from "../../graph/ops/rows.js";
import { broadcastTo, reshape, slice } from "../../graph/ops/shape.js";
import { scalar } from "../../graph/ops/source.js";
import type { TableKind } from "../../layers/component.js";
import { type Constraint, constrained } from "../../layers/constraints.js";
import { type Optimizer, type Slot, slotOf, type Updated } from "./optimizer.js";

/** A weight within the vector of its group: all that an update must know of it. */
export interface UpdatedWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly size: number;
  readonly constraint: Constraint | null;
  readonly table: TableKind | null;
}

/** A group of weights before an update. */
export interface UpdateInput {
  /** [P] */
  readonly parameters: SymbolicTensor;
  readonly weights: readonly UpdatedWeight[];
  /**
   * Of the loss; where gradients are accumulated, of the sum of each of its terms. One for each weight, in its shape; none of
   * a table whose rows `named` has.
   */
  readonly gradients: readonly (readonly SymbolicTensor[])[];
  /** Of a table: what was looked up in it. */
  readonly named?: NamedRows | undefined;
  /** Values of the slots that `slotsOf` lists. */
  slot(name: string): SymbolicTensor;
}

/** Rows of a table [R, D] that a step names, and the gradients of what it got for them. */
export interface NamedRows {
  /** int32 [N] */
  readonly ids: SymbolicTensor;
  /** [N, D] */
  readonly gradients: SymbolicTensor;
  /** Whether rows that are not named stay as they are, whatever the optimizer. */
  readonly lazy: boolean;
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
  const named = groups.map((group) => (isPlain(optimizer, group) ? rowSums(group) : undefined));
  const gradients = clipped(
    optimizer,
    groups.map((group, i) => {
      const sums = accumulated?.[i]?.sums;
      const rows = named[i];
      if (rows !== undefined) return { dense: [], rows: rows.sums };
      if (sums === undefined || !every) return { dense: denseGradients(group)[0] ?? [] };
      return {
        dense: pieces(
          div(
            sums.reduce((x, y) => add(x, y)),
            every,
          ),
          group.weights,
        ),
      };
    }),
  );
  return groups.map((group, i) => {
    const { weights } = group;
    const [rows, gradient] = [named[i], gradients[i]];
    if (gradient === undefined) throw new Error("a group of weights has no gradient");
    if (rows !== undefined) {
      const made = updateRows(optimizer, group, { ...rows, sums: gradient }, { learningRate, updates });
      if (made !== undefined) return made;
    }
    const { parameters, slot, settled } = settledSlots(optimizer, group, updates);
    const own = optimizer.update({
      parameters: decayed(optimizer, group, learningRate),
      gradients: rows === undefined ? gradient : allRows(rows, gradient),
      learningRate,
      iteration: add(updates, 1),
      slot,
    });
    const slots = { ...own.slots, ...settled };
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
  { slot, ...group }: UpdateInput,
  counts: UpdateOptions["counts"],
  k: SymbolicTensor,
): {
  readonly sums: readonly SymbolicTensor[];
  readonly slots: readonly (readonly [string, SymbolicTensor])[];
} {
  const slots: (readonly [string, SymbolicTensor])[] = [];
  const sums = denseGradients({ ...group, slot }).map((own, term) => {
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

/** The gradients of a group, those of a table as a whole. */
function denseGradients({ gradients, named, weights: [table] }: UpdateInput): UpdateInput["gradients"] {
  if (named === undefined || table === undefined) return gradients;
  const [size = 0] = table.shape;
  return [[apply(scatterAddOp, [named.gradients, named.ids], { axis: 0, size })]];
}

/** The gradient of a group: of its weights, or of the rows of a table, [N, D] with zeros where there are fewer. */
interface GroupGradient {
  readonly dense: readonly SymbolicTensor[];
  readonly rows?: SymbolicTensor;
}

/**
 * Each group's gradients as a vector (of rows: as they are), limited as the options say. A norm n above the limit c scales by
 * c/n (Pascanu et al. 2013, algorithm 1). Gradients of all weights lie side by side.
 */
function clipped(
  { clipNorm, clipValue, globalClipNorm }: Optimizer,
  groups: readonly GroupGradient[],
): SymbolicTensor[] {
  const each = (f: (g: SymbolicTensor) => SymbolicTensor) =>
    groups.map(({ dense, rows }) => ({
      dense: dense.map(f),
      ...(rows === undefined ? {} : { rows: f(rows) }),
    }));
  const limited = clipNorm ? each((g) => scaleTo(g, clipNorm)) : groups;
  const all = limited.flatMap(({ dense }) => dense);
  const bare = all.length === 0 ? undefined : flat(all);
  const parts = [...(bare === undefined ? [] : [bare]), ...limited.flatMap(({ rows }) => rows ?? [])];
  const norm =
    clipNorm || !globalClipNorm
      ? undefined
      : sqrt(parts.map((g) => sum(square(g))).reduce((a, b) => add(a, b)));
  const limit = (g: SymbolicTensor): SymbolicTensor =>
    norm !== undefined && globalClipNorm
      ? mul(g, div(globalClipNorm, maximum(norm, globalClipNorm)))
      : !clipNorm && clipValue
        ? clipByValue(g, -clipValue, clipValue)
        : g;
  const vector = bare && limit(bare);
  let begin = 0;
  return limited.map(({ dense, rows }) => {
    if (rows !== undefined) return limit(rows);
    if (vector === undefined) throw new Error("a group of weights has no gradients");
    const size = dense.reduce((n, { shape }) => n + shape.reduce<number>((p, d) => p * Number(d), 1), 0);
    begin += size;
    return dense.length === all.length ? vector : slice(vector, [begin - size], [size]);
  });
}

/** g, or g scaled to the norm `limit` where its own is larger; NaN stays NaN. */
const scaleTo = (g: SymbolicTensor, limit: number): SymbolicTensor =>
  mul(g, div(limit, maximum(sqrt(sum(square(g))), limit)));

// ---- Tables: R rows of D numbers, of which a step names some

/** Where the last step of each row is counted, [R], for slots that shrink while a row is not named. */
export const seenSlot = "model/seen";

/** Whether the slots of a table are brought up to date where a step names their rows. */
export const keepsSeen = (optimizer: Optimizer, table: TableKind | null): boolean =>
  table === "whole" && isPlain(optimizer) && Object.keys(optimizer.idle ?? {}).length > 0;

/** Whether nothing but the optimizer's rule changes weights, so that it may be told of the rows of a table alone. */
const isPlain = (
  { gradientAccumulationSteps, useEma }: Optimizer,
  { weights }: Pick<UpdateInput, "weights"> = { weights: [] },
): boolean => !gradientAccumulationSteps && !useEma && weights.every(({ constraint }) => constraint === null);

/** The rows that a step names, each once, and their gradients. */
interface Rows {
  readonly groups: RowGroups;
  /** [N, D]; zeros after the last row. */
  readonly sums: SymbolicTensor;
  /** R */
  readonly size: number;
  /** D */
  readonly width: number;
  readonly lazy: boolean;
}

function rowSums({ named, weights: [table] }: UpdateInput): Rows | undefined {
  if (named === undefined || table === undefined) return undefined;
  const [size = 0, width = 0] = table.shape;
  const groups = groupRows(named.ids, size);
  return { groups, sums: sumRows(named.gradients, groups), size, width, lazy: named.lazy };
}

/** The gradient of the whole table, flat. */
const allRows = ({ groups: { rows }, size }: Rows, sums: SymbolicTensor): SymbolicTensor =>
  reshape(apply(scatterAddOp, [sums, rows], { axis: 0, size }), [-1]);

/** ρᵏ of each slot that shrinks while a row is not named. k: how many steps its row has missed. */
const shrunk = ({ idle = {} }: Optimizer, missed: SymbolicTensor): ReadonlyMap<string, SymbolicTensor> =>
  new Map(
    Object.entries(idle).flatMap(([name, factor]) =>
      factor === 1 ? [] : [[name, exp(mul(missed, Math.log(factor)))] as const],
    ),
  );

interface RowContext {
  readonly learningRate: SymbolicTensor;
  /** Updates before this one. */
  readonly updates: SymbolicTensor;
}

/**
 * The optimizer's rule for a table. Where it leaves parameters alone whose gradient is 0, for the rows that the step names,
 * whose slots are first brought to where the steps without them would have brought them; else for all rows, of which those
 * that are not named have the gradient 0. Undefined where the rule is not one for each parameter by itself.
 */
function updateRows(
  optimizer: Optimizer,
  group: UpdateInput,
  { groups, sums, size, width, lazy }: Rows,
  { learningRate, updates }: RowContext,
): Updated | undefined {
  const { parameters, slot, weights } = group;
  const decays = optimizer.weightDecay ? isDecayed(optimizer, weights[0]?.name ?? "") : false;
  const alone = lazy || (optimizer.idle !== undefined && !decays);
  const kept = keepsSeen(optimizer, lazy ? "lazy" : "whole") ? slot(seenSlot) : undefined;
  const named = kept && alone ? sub(updates, gather(kept, groups.rows)) : undefined;
  const factors = named === undefined ? new Map<string, SymbolicTensor>() : shrunk(optimizer, named);
  const vectors = optimizer.slots.map(slotOf).filter(({ scalar: one }) => !one);
  const row = { kind: "row", indexed: alone } as const;
  const operands = [
    { ...row, value: parameters },
    { kind: "row", indexed: !alone, value: sums } as const,
    ...vectors.map(({ name }) => ({ ...row, value: slot(name) })),
    ...[...factors.values()].map((value) => ({ kind: "number", indexed: false, value }) as const),
  ];
  const firstSlot = 2;
  const numbers: Record<string, SymbolicTensor> = {};
  const span = {
    rows: alone ? (sums.shape[0] ?? 0) : size,
    width,
    ...(alone ? { index: groups.rows, count: groups.count } : { index: groups.positions }),
  };
  const made = eachRow({
    ...span,
    size: alone ? size : (sums.shape[0] ?? 0),
    operands,
    equations([p, g, ...rest]) {
      if (p === undefined || g === undefined) throw new Error("a row has no parameters");
      const slotRow = (name: string) => {
        const at = vectors.findIndex((vector) => vector.name === name);
        const value = rest[at];
        if (value === undefined) return slot(name);
        const factor = rest[vectors.length + [...factors.keys()].indexOf(name)];
        return factors.has(name) && factor !== undefined ? mul(value, factor) : value;
      };
      const own = optimizer.update({
        parameters: decays ? decay(p, optimizer.weightDecay ?? 0, learningRate) : p,
        gradients: g,
        learningRate,
        iteration: add(updates, 1),
        slot: slotRow,
      });
      const results = new Map([[0, own.parameters]]);
      for (const [name, value] of Object.entries(own.slots)) {
        const at = vectors.findIndex((vector) => vector.name === name);
        if (at < 0) numbers[name] = value;
        else results.set(firstSlot + at, value);
      }
      return results;
    },
  });
  if (made === undefined) return undefined;
  const slots = { ...numbers };
  for (const [i, { name }] of vectors.entries()) {
    const value = made.get(firstSlot + i);
    if (value !== undefined) slots[name] = value;
  }
  if (kept !== undefined) {
    const now = add(updates, 1);
    const seen = alone
      ? eachRow({
          ...span,
          width: 1,
          size,
          operands: [{ ...row, value: kept }],
          equations: ([s]) => new Map(s === undefined ? [] : [[0, maximum(s, now)]]),
        })?.get(0)
      : broadcastTo(now, [size]);
    if (seen !== undefined) slots[seenSlot] = seen;
  }
  return { parameters: made.get(0) ?? parameters, slots };
}

/** The slots of a group that is updated as a whole, those of a table brought up to date. */
function settledSlots(
  optimizer: Optimizer,
  { parameters, slot, weights: [table], named }: UpdateInput,
  updates: SymbolicTensor,
): Pick<UpdateInput, "parameters" | "slot"> & { readonly settled: Record<string, SymbolicTensor> } {
  const [size = 0, width = 0] = table?.shape ?? [];
  if (table === undefined || !keepsSeen(optimizer, table.table) || named?.lazy === true)
    return { parameters, slot, settled: {} };
  const factors = shrunk(optimizer, sub(updates, slot(seenSlot)));
  const wide = (x: SymbolicTensor) => reshape(broadcastTo(reshape(x, [size, 1]), [size, width]), [-1]);
  return {
    parameters,
    slot(name) {
      const factor = factors.get(name);
      return factor === undefined ? slot(name) : mul(slot(name), wide(factor));
    },
    settled: { [seenSlot]: broadcastTo(add(updates, 1), [size]) },
  };
}

const isDecayed = ({ excludeFromWeightDecay = [] }: Optimizer, name: string): boolean =>
  !excludeFromWeightDecay.some((text) => name.includes(text));

const decay = (x: SymbolicTensor, weightDecay: number, learningRate: SymbolicTensor): SymbolicTensor =>
  sub(x, mul(mul(x, weightDecay), learningRate));

/** The parameters after weight decay. */
function decayed(
  optimizer: Optimizer,
  { parameters, weights }: UpdateInput,
  learningRate: SymbolicTensor,
): SymbolicTensor {
  const { weightDecay } = optimizer;
  if (!weightDecay) return parameters;
  const decays = ({ name }: UpdatedWeight) => isDecayed(optimizer, name);
  if (weights.every(decays)) return decay(parameters, weightDecay, learningRate);
  return flat(
    pieces(parameters, weights).map((value, i) => {
      const weight = weights[i];
      return weight === undefined || decays(weight) ? decay(value, weightDecay, learningRate) : value;
    }),
  );
}
