import { type Dim, equal, mul, product, type Shape, sub, symbolsIn } from "../graph/dim.js";
import type { Node, SymbolicTensor } from "../graph/ir.js";
import type { GatherAttrs } from "../graph/ops/gather.js";
import type { ConcatAttrs } from "../graph/ops/join.js";
import type { ReduceAttrs } from "../graph/ops/reduce.js";
import { operand, type RnnAttrs } from "../graph/ops/rnn.js";
import type { ScanAttrs } from "../graph/ops/scan.js";
import type { ReverseAttrs, SliceAttrs, TransposeAttrs } from "../graph/ops/shape.js";
import type { SizeAttrs } from "../graph/ops/source.js";

/**
 * How a value hangs on the time steps of a stream: on none of them (`none`); with an axis of time, of which the element at
 * a step hangs on the steps up to that one (`each`); on all steps that were given, as what is left after the last (`last`);
 * or in a way that is not the same however the steps are cut (`whole`).
 */
export type Timing =
  | { readonly kind: "none" }
  | {
      readonly kind: "each";
      readonly axis: number;
      /** The size of what is merged with the time in the axis, before it and after it; 1: nothing. */
      readonly before: Dim;
      readonly after: Dim;
    }
  | { readonly kind: "last" }
  | {
      readonly kind: "whole";
      /** What makes it so, in words that go on from "which". */
      readonly why: string;
    };

type Each = Extract<Timing, { kind: "each" }>;

export const none: Timing = { kind: "none" };
const last: Timing = { kind: "last" };
const whole = (why: string): Timing => ({ kind: "whole", why });

/** Time as an axis by itself. */
export const along = (axis: number): Each => ({ kind: "each", axis, before: 1, after: 1 });

/**
 * Finds how values of a graph hang on the steps of a stream. A rule for each op says what it makes of its operands; an op
 * without one counts as `whole`.
 */
export class Timings {
  /** The symbol of the number of steps. */
  readonly #time: string;
  readonly #known = new Map<Node, readonly Timing[]>();
  readonly #carried = new Set<Node>();

  constructor(time: string) {
    this.#time = time;
  }

  /** Tells how an input hangs on the steps; other inputs hang on none. */
  set(x: SymbolicTensor, timing: Timing): void {
    this.#known.set(x.node, [timing]);
  }

  /** Tells that an input is a state which goes on from call to call. */
  carry(x: SymbolicTensor): void {
    this.#carried.add(x.node);
  }

  of(x: SymbolicTensor): Timing {
    const { node, index } = x;
    let known = this.#known.get(node);
    if (known === undefined) {
      known = this.#outputs(node);
      this.#known.set(node, known);
    }
    return known[index] ?? none;
  }

  #outputs(node: Node): readonly Timing[] {
    const given = node.inputs.map((x) => this.of(x));
    const wrong = given.find(({ kind }) => kind === "whole");
    const all = (timing: Timing) => node.outputs.map(() => timing);
    if (wrong !== undefined) return all(wrong);
    if (node.op.name === "size" && this.#counts((node.attrs as SizeAttrs).size))
      return all(whole("counts the time steps"));
    if (node.op.name === "scan") return this.#scan(node as Node<ScanAttrs>, given);
    if (node.op.name === "rnn") return this.#rnn(node as Node<RnnAttrs>);
    if (given.every(({ kind }) => kind === "none")) return all(drawn.has(node.op.name) ? random : none);
    return all(ruleOf(node)(node, given));
  }

  /** Whether the number of steps is in a size. */
  #counts(d: Dim): boolean {
    return symbolsIn(d).has(this.#time);
  }

  #scan(node: Node<ScanAttrs>, given: readonly Timing[]): readonly Timing[] {
    const { body } = node.attrs;
    const [s, m] = [body.sequences.length, body.states.length];
    const states = node.inputs.slice(s, s + m);
    return this.#over(
      joined(given.slice(0, s)),
      states.map((x) => ({ state: x, timing: this.of(x) })),
      given.slice(s + m),
      body.outputs.length,
      m,
    );
  }

  #rnn(node: Node<RnnAttrs>): readonly Timing[] {
    const { inputs, attrs } = node;
    const ofRole = (...roles: readonly string[]) =>
      inputs.filter((_, i) => roles.includes(attrs.roles[i] ?? ""));
    const sequences = ofRole("x", "mask").map((x) => this.of(x));
    const lstm = attrs.cell === "lstm";
    const states = [operand(node, "h0"), ...(lstm ? [operand(node, "c0")] : [])].map((state) => ({
      state,
      timing: state === undefined ? none : this.of(state),
    }));
    const constants = ofRole("kernel", "recurrentKernel", "bias", "dropout").map((x) => this.of(x));
    const [ys, h, c = none] = this.#over(joined(sequences), states, constants, 1, lstm ? 2 : 1);
    return [ys ?? none, h ?? none, c, none];
  }

  /** A recurrence: its outputs, its final states, and its states before each step. */
  #over(
    sequences: Timing,
    states: readonly { readonly state: SymbolicTensor | undefined; readonly timing: Timing }[],
    constants: readonly Timing[],
    outputs: number,
    finals: number,
  ): readonly Timing[] {
    const made = (stacked: Timing, final: Timing) => [
      ...Array<Timing>(outputs).fill(stacked),
      ...Array<Timing>(finals).fill(final),
      ...Array<Timing>(finals).fill(stacked),
    ];
    const all = (timing: Timing) => made(timing, timing);
    if (sequences.kind === "whole") return all(sequences);
    const varying = [...states.map(({ timing }) => timing), ...constants].some(({ kind }) => kind !== "none");
    if (sequences.kind !== "each") {
      if (states.some(({ state }) => state !== undefined && this.#carried.has(state.node)))
        return all(whole("runs a recurrence over something else than the steps of the stream"));
      return all(joined([sequences, ...states.map(({ timing }) => timing), ...constants]));
    }
    if (varying)
      return all(whole("runs over time from states that other steps give, or looks at other steps"));
    if (sequences.axis > 0) return made(sequences, { ...sequences, axis: sequences.axis - 1 });
    if (equal(sequences.before, 1) && equal(sequences.after, 1)) {
      const carried = states.every(({ state }) => state !== undefined && this.#carried.has(state.node));
      if (carried) return made(sequences, last);
    }
    return all(whole("runs over time from states of its own, which would begin anew with every call"));
  }
}

const random = whole("draws random numbers");
const drawn = new Set(["random", "randomMask", "dropout"]);

/** What an op makes of operands of which at least one hangs on steps, and none is `whole`. */
type Rule = (node: Node, given: readonly Timing[]) => Timing;

/** Operands side by side, element on element. */
function joined(given: readonly Timing[]): Timing {
  const wrong = given.find(({ kind }) => kind === "whole");
  if (wrong !== undefined) return wrong;
  const each = given.filter((timing): timing is Each => timing.kind === "each");
  const [first] = each;
  const lasts = given.some(({ kind }) => kind === "last");
  if (first === undefined) return lasts ? last : none;
  if (lasts) return whole("mixes steps with what is known after the last one alone");
  const same = ({ axis, before, after }: Each) =>
    axis === first.axis && equal(before, first.before) && equal(after, first.after);
  return each.every(same) ? first : whole("mixes different steps");
}

const moved = (timing: Timing, axis: (axis: number) => number): Timing =>
  timing.kind === "each" ? { ...timing, axis: axis(timing.axis) } : timing;

/** Operands whose shapes are aligned from the last axis on. */
const broadcast: Rule = (node, given) => {
  const rank = node.outputs[0]?.shape.length ?? 0;
  return joined(
    given.map((timing, i) => moved(timing, (axis) => axis + rank - (node.inputs[i]?.rank ?? rank))),
  );
};

/** The one operand, where the time is in no axis that `refused` names. */
const unless =
  (
    refused: (node: Node, each: Each) => string | undefined,
    axis: (node: Node, axis: number) => number = (_, a) => a,
  ): Rule =>
  (node, [timing = none]) => {
    if (timing.kind !== "each") return timing;
    const why = refused(node, timing);
    return why === undefined ? moved(timing, (a) => axis(node, a)) : whole(why);
  };

const slice: Rule = (node, [timing = none]) => {
  if (timing.kind !== "each") return timing;
  const { begin, size } = node.attrs as SliceAttrs;
  const { axis } = timing;
  const [b = 0, n = 0, d = 0] = [begin[axis], size[axis], node.inputs[0]?.shape[axis]];
  if (equal(b, 0) && equal(n, d)) return timing;
  const isLast = equal(n, 1) && equal(b, sub(d, 1)) && equal(timing.before, 1) && equal(timing.after, 1);
  return isLast ? last : whole("takes some of the time steps out");
};

const reshape: Rule = (node, [timing = none]) => {
  if (timing.kind !== "each") return timing;
  const from = node.inputs[0]?.shape ?? [];
  const to = node.outputs[0]?.shape ?? [];
  return regrouped(from, timing, to) ?? whole("mixes the time steps with other axes");
};

/** Where the time is after a reshape: in an axis with as much before it, merged with some of its neighbours at most. */
function regrouped(from: Shape, { axis, before, after }: Each, to: Shape): Timing | undefined {
  const ahead = mul(product(from.slice(0, axis)), before);
  const time = from[axis] ?? 1;
  const befores: Dim[] = [1, before];
  for (let i = axis - 1; i >= 0; i--) befores.push(mul(before, product(from.slice(i, axis))));
  const afters: Dim[] = [1, after];
  for (let i = axis + 1; i < from.length; i++) afters.push(mul(after, product(from.slice(axis + 1, i + 1))));
  for (const b of befores)
    for (const a of afters)
      for (const [j, d] of to.entries()) {
        // The axis holds b × steps × a, where it held before × steps × after.
        const fits =
          equal(mul(mul(d, before), after), mul(mul(time, b), a)) &&
          equal(mul(product(to.slice(0, j)), b), ahead);
        if (fits) return { kind: "each", axis: j, before: b, after: a };
      }
  return undefined;
}

const matmul: Rule = (node, given) => {
  const rank = node.outputs[0]?.shape.length ?? 0;
  const sums = given.some((timing, i) => {
    const own = node.inputs[i]?.rank ?? 0;
    return timing.kind === "each" && timing.axis === (i === 0 ? own - 1 : own - 2);
  });
  if (sums) return whole("sums over the time steps");
  return joined(
    given.map((timing, i) => moved(timing, (axis) => axis + rank - (node.inputs[i]?.rank ?? rank))),
  );
};

const gather: Rule = (node, [table = none, ids = none]) => {
  const { axis } = node.attrs as GatherAttrs;
  const rank = node.inputs[1]?.rank ?? 0;
  if (table.kind === "each" && table.axis === axis) return whole("looks time steps up by their numbers");
  return joined([moved(table, (a) => (a < axis ? a : a - 1 + rank)), moved(ids, (a) => axis + a)]);
};

const rules: Readonly<Record<string, Rule>> = {
  reshape,
  transpose: (node, [timing = none]) =>
    moved(timing, (axis) => (node.attrs as TransposeAttrs).perm.indexOf(axis)),
  slice,
  reverse: unless((node, { axis }) =>
    (node.attrs as ReverseAttrs).axes.includes(axis) ? "runs through the time steps backwards" : undefined,
  ),
  broadcastTo: broadcast,
  stopGradient: broadcast,
  guard: (_, [timing = none]) => timing,
  concat: (node, given) => {
    const { axis } = node.attrs as ConcatAttrs;
    const mixes = given.some((timing) => timing.kind === "each" && timing.axis === axis);
    return mixes ? whole("puts sequences one behind the other") : joined(given);
  },
  matmul,
  gather,
  conv: unless(notRows),
  pool: unless(notRows),
  crfDecode: () => whole("finds the best path over all time steps"),
  softmax: unless(lastAxis),
  logSoftmax: unless(lastAxis),
};

/** Windows go over pixels, within the rows of axis 0. */
function notRows(_: Node, { axis }: Each): string | undefined {
  return axis === 0 ? undefined : "looks through windows over the time steps";
}

function lastAxis(node: Node, { axis }: Each): string | undefined {
  return axis === (node.inputs[0]?.rank ?? 0) - 1 ? "is normalised over the time steps" : undefined;
}

const reduce = unless(
  (node, { axis }) =>
    (node.attrs as ReduceAttrs).axes.includes(axis) ? "takes all time steps together" : undefined,
  (node, axis) => axis - (node.attrs as ReduceAttrs).axes.filter((a) => a < axis).length,
);

function ruleOf({ op }: Node): Rule {
  const own = rules[op.name];
  if (own !== undefined) return own;
  if (op.kernel.kind === "map") return broadcast;
  if (op.kernel.kind === "reduce") return reduce;
  return () => (drawn.has(op.name) ? random : whole(`has the op ${op.name} over time steps`));
}
