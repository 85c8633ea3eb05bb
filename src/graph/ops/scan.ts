import { RondoError } from "../../errors.js";
import { closureOf } from "../closure.js";
import { type Dim, equal, SizesDiffer, shapeText } from "../dim.js";
import {
  type GradientRule,
  makeNode,
  type Node,
  type Op,
  SymbolicTensor,
  substitute,
  symbolic,
  type TensorType,
} from "../ir.js";
import { noMask, samePrefix, widenMask } from "../mask.js";
import { add, logicalOr, where } from "./elementwise.js";
import { type Fused, rnn } from "./rnn.js";
import { reverse } from "./shape.js";
import { input, scalar, zeros } from "./source.js";

// T time, B batch, D input features, H units, G gates. Everything here is time-major: sequences are [T, B, ..].

/** One time step as a closed graph over placeholders (input nodes). */
export interface ScanBody {
  readonly sequences: readonly SymbolicTensor[];
  readonly states: readonly SymbolicTensor[];
  readonly constants: readonly SymbolicTensor[];
  readonly outputs: readonly SymbolicTensor[];
  readonly newStates: readonly SymbolicTensor[];
}

export interface ScanAttrs {
  readonly body: ScanBody;
  readonly length: Dim;
}

/**
 * Applies a body over time, step by step inside one program. inputs: sequences, initial states, constants.
 * outputs: the stacked outputs [T, ..], the final states, and each state as it was before every step [T, ..]
 * (stored only where something, such as the gradient, reads it).
 */
export const scanOp: Op<ScanAttrs> = {
  name: "scan",
  infer: (_inputs, { body, length }) => {
    const stacked = (x: TensorType): TensorType => ({ shape: [length, ...x.shape], dtype: x.dtype });
    return [...body.outputs.map(stacked), ...body.newStates.map(typeOf), ...body.states.map(stacked)];
  },
  gradient: (context) => scanGradient(context),
  mask: noMask,
  kernel: { kind: "instruction", name: "scan", laysOut: () => true },
};

const none: TensorType = { shape: [], dtype: "float32" };
const typeOf = ({ shape, dtype }: TensorType): TensorType => ({ shape, dtype });

// ---- The builder

/** What one time step computes. */
export interface Step {
  readonly outputs: readonly SymbolicTensor[];
  readonly states: readonly SymbolicTensor[];
}

export interface ScanOptions {
  /** The cell's equations: values of this step, states, constants → outputs and new states. */
  step(
    xs: readonly SymbolicTensor[],
    states: readonly SymbolicTensor[],
    constants: readonly SymbolicTensor[],
  ): Step;
  /** [T, B, ..] each; T the same. */
  readonly sequences: readonly SymbolicTensor[];
  /** Initial states [B, ..]; a type alone stands for zeros. */
  readonly states: readonly (SymbolicTensor | TensorType)[];
  readonly constants?: readonly SymbolicTensor[];
  /** bool [T, B], the leading axes of every sequence: at masked steps states and outputs are those of the step before (outputs first 0), x is not read. */
  readonly mask?: SymbolicTensor | undefined;
  /** With a mask: the outputs before the first step, [B, ..], for their types; left out: zeros. */
  readonly before?: ((type: TensorType) => SymbolicTensor) | undefined;
  /** The kernel that computes the same. Order of constants then: kernel, recurrentKernel, bias?, dropout?. */
  readonly fused?: { readonly as: Fused; readonly bias: boolean; readonly dropout: boolean } | undefined;
}

export interface Scanned {
  /** [T, B, ..] each. */
  readonly outputs: readonly SymbolicTensor[];
  readonly states: readonly SymbolicTensor[];
}

/** Applies a cell over time. Values of the outer graph that the step uses are passed along as constants by themselves. */
export function scan(options: ScanOptions): Scanned {
  const { sequences, mask } = options;
  for (const x of sequences) symbolic("scan", x);
  const [first] = sequences;
  const length = first?.shape[0];
  const other = sequences.find((s) => length === undefined || !equal(s.shape[0] ?? -1, length));
  if (first === undefined || length === undefined || other !== undefined) {
    const parts = {
      where: "scan",
      received: `sequences of shapes ${sequences.map((s) => shapeText(s.shape)).join(", ")}`,
      expected: "at least one, all with the same number of time steps in front",
      fix: "Transpose them to [time, batch, ..] and cut them to one length",
    };
    const [a, b] = [length, other?.shape[0]];
    throw a !== undefined && b !== undefined ? new SizesDiffer(parts, a, b) : new RondoError(parts);
  }
  checkMasks(options);
  if (options.fused !== undefined) return scanFused(options, options.fused, first);
  return mask === undefined ? scanSteps(options, length) : scanMasked(options, mask, length);
}

function checkMasks({ sequences, states, constants = [], mask, fused }: ScanOptions): void {
  const fits = (m: SymbolicTensor) =>
    m.dtype === "bool" && sequences.every((s) => m.rank > 0 && samePrefix(m.shape, s.shape, m.rank));
  if (mask !== undefined && (!fits(mask) || (fused !== undefined && mask.rank !== 2))) {
    throw new RondoError({
      where: "scan",
      received: `a mask of ${mask.dtype}${shapeText(mask.shape)} for sequences of ${sequences.map((s) => shapeText(s.shape)).join(", ")}`,
      expected: "a bool for each time step and row, [time, batch]",
      fix: "Transpose the mask to [time, batch], or make it by a comparison",
    });
  }
  const values = [...states, ...constants, ...(mask === undefined ? sequences : [])];
  const lost = values.find((x) => x instanceof SymbolicTensor && x.mask !== undefined);
  if (lost !== undefined) {
    throw new RondoError({
      where: "scan",
      received: `an operand of shape ${shapeText(lost.shape)} with a mask`,
      expected: "the mask of the time steps as the option mask, and states and constants without masks",
      fix: "Pass mask: x.mask, or drop the mask on purpose with ops.withoutMask",
    });
  }
}

const placeholder = (name: string, { shape, dtype }: TensorType): SymbolicTensor => input(name, shape, dtype);
const stepType = (x: SymbolicTensor): TensorType => ({ shape: x.shape.slice(1), dtype: x.dtype });

/**
 * The equations of a step as a body. Fused cells have their constants in a fixed order; else what hangs on constants alone,
 * such as a packed kernel, is taken out of the body, so that it is computed once.
 */
function trace(options: ScanOptions): { body: ScanBody; captured: readonly SymbolicTensor[] } {
  const xs = options.sequences.map((s, i) => placeholder(`x${i}`, stepType(s)));
  const states = options.states.map((s, i) => placeholder(`s${i}`, s));
  const given = options.constants ?? [];
  const stands = given.map((c, i) => placeholder(`c${i}`, c));
  const step = options.step(xs, states, stands);
  checkStates(step.states, states);
  const roots = [...step.outputs, ...step.states];
  const ordered = options.fused !== undefined;
  const outer = new Map(stands.map(({ node }, i) => [node, given[i]]));
  const constants = ordered ? stands : [];
  const closed = closureOf(
    ordered || given.length === 0 ? roots : substitute(roots, (x) => outer.get(x.node)),
    [...xs, ...states, ...constants],
  );
  return {
    body: {
      sequences: xs,
      states,
      constants: [...constants, ...closed.stands],
      outputs: closed.roots.slice(0, step.outputs.length),
      newStates: closed.roots.slice(step.outputs.length),
    },
    captured: closed.captured,
  };
}

function checkStates(next: readonly SymbolicTensor[], states: readonly SymbolicTensor[]): void {
  const text = (x: TensorType): string => `${x.dtype}${shapeText(x.shape)}`;
  const list = (all: readonly TensorType[]): string => (all.length === 0 ? "none" : all.map(text).join(", "));
  if (next.length === states.length && next.every((s, i) => text(s) === text(states[i] ?? none))) return;
  throw new RondoError({
    where: "scan",
    received: `new states ${list(next)}`,
    expected: `${list(states)}, as the initial states are`,
    fix: "Let the cell return its states with the shapes and dtypes it declares",
  });
}

const initial = (s: SymbolicTensor | TensorType): SymbolicTensor =>
  s instanceof SymbolicTensor ? s : zeros(s.shape, s.dtype);

function scanSteps(options: ScanOptions, length: Dim): Scanned {
  const { body, captured } = trace(options);
  const inputs = [...options.sequences, ...options.states.map(initial), ...captured];
  const node = makeNode(scanOp, inputs, { body, length });
  const n = body.outputs.length;
  return {
    outputs: body.outputs.map((_, i) => new SymbolicTensor(node, i)),
    states: body.newStates.map((_, i) => new SymbolicTensor(node, n + i)),
  };
}

/** The general path under a mask: the same scan with selections, the previous outputs carried as further states. */
function scanMasked(options: ScanOptions, mask: SymbolicTensor, length: Dim): Scanned {
  const n = options.states.length;
  const probe = trace(options).body.outputs.map(typeOf);
  const result = scanSteps(
    {
      ...options,
      sequences: [...options.sequences, mask],
      states: [...options.states, ...(options.before === undefined ? probe : probe.map(options.before))],
      step(xs, states, constants) {
        const now = xs[xs.length - 1];
        if (now === undefined) throw new Error("scan: the mask of the step is missing");
        const clean = xs.slice(0, -1).map((x) => where(widenMask(now, x.rank), x, scalar(0, x.dtype)));
        const next = options.step(clean, states.slice(0, n), constants);
        const kept = (value: SymbolicTensor, old: SymbolicTensor | undefined) =>
          old === undefined ? value : where(widenMask(now, value.rank), value, old);
        const outputs = next.outputs.map((y, i) => kept(y, states[n + i]));
        return { outputs, states: [...next.states.map((s, i) => kept(s, states[i])), ...outputs] };
      },
    },
    length,
  );
  return { outputs: result.outputs, states: result.states.slice(0, n) };
}

function scanFused(
  { sequences, states, constants = [], mask, before, ...options }: ScanOptions,
  { as, bias, dropout }: NonNullable<ScanOptions["fused"]>,
  x: SymbolicTensor,
): Scanned {
  const { body } = trace({ sequences, states, constants, ...options });
  const [kernel, recurrentKernel, ...further] = constants;
  const [h0, c0] = states.map((s) => (s instanceof SymbolicTensor ? s : undefined));
  const node = rnn(as, body, {
    x,
    kernel,
    recurrentKernel,
    bias: bias ? further.shift() : undefined,
    dropout: dropout ? further.shift() : undefined,
    h0,
    c0,
    mask,
  });
  const ys = new SymbolicTensor(node, 0);
  // Before the first unmasked step the state is the given one, but the output is 0, or the one before.
  const late = mask !== undefined && h0 !== undefined;
  const first = mask && before?.({ shape: ys.shape.slice(1), dtype: ys.dtype });
  return {
    outputs:
      mask !== undefined && first !== undefined
        ? heldOver(ys, mask, first)
        : [late ? where(widenMask(seenSoFar(mask), 3), ys, 0) : ys],
    states: states.map((_, i) => new SymbolicTensor(node, 1 + i)),
  };
}

/** y [T, B, ..] with that of the step before at masked steps, before the first `first` [B, ..]. */
const heldOver = (y: SymbolicTensor, mask: SymbolicTensor, first: SymbolicTensor) =>
  scan({
    sequences: [y, mask],
    states: [first],
    step([now = y, counts = mask], [held = first]) {
      const kept = where(widenMask(counts, now.rank), now, held);
      return { outputs: [kept], states: [kept] };
    },
  }).outputs;

/** bool [T, B] → bool [T, B]: whether any step up to this one counts. */
export function seenSoFar(mask: SymbolicTensor): SymbolicTensor {
  const { outputs } = scan({
    sequences: [mask],
    states: [{ shape: mask.shape.slice(1), dtype: "bool" }],
    step([now], [before]) {
      if (now === undefined || before === undefined) throw new Error("scan: missing operands");
      const seen = logicalOr(now, before);
      return { outputs: [seen], states: [seen] };
    },
  });
  return outputs[0] ?? mask;
}

// ---- The gradient of the general path

/**
 * Back-propagation through time as a scan of its own, run backwards: each step recomputes the body from the saved
 * states and adds up the gradients of the constants.
 */
const scanGradient: GradientRule<ScanAttrs> = ({ node, outputs, attrs: { body }, grads, wanted, vjp }) => {
  const [s, m, n] = [body.sequences.length, body.states.length, body.outputs.length];
  const differentiable = (x: TensorType) => x.dtype === "float32";
  const sequences = node.inputs.slice(0, s);
  const constants = node.inputs.slice(s + m);
  const history = outputs.slice(n + m);
  // Gradients of the outputs and, where this gradient is itself differentiated, of the states before each step.
  const dys = grads.slice(0, n);
  const stateIndex = body.states.flatMap((x, i) => (differentiable(x) ? [i] : []));
  const dHistory = stateIndex.map((i) => grads[n + m + i]);
  const given = [...dys, ...dHistory].filter((g) => g !== undefined);
  const constantIndex = body.constants.flatMap((x, i) => (differentiable(x) && wanted[s + m + i] ? [i] : []));
  const sequenceIndex = body.sequences.flatMap((x, i) => (differentiable(x) && wanted[i] ? [i] : []));
  const back = scan({
    sequences: [...sequences, ...history, ...given].map((x) => reverse(x, 0)),
    states: [
      ...stateIndex.map((i) => grads[n + i] ?? typeOf(body.states[i] ?? none)),
      ...constantIndex.map((i) => typeOf(body.constants[i] ?? none)),
    ],
    constants,
    step(xs, carried, consts) {
      const bound = new Map<Node, SymbolicTensor | undefined>();
      body.sequences.forEach((p, i) => {
        bound.set(p.node, xs[i]);
      });
      body.states.forEach((p, i) => {
        bound.set(p.node, xs[s + i]);
      });
      body.constants.forEach((p, i) => {
        bound.set(p.node, consts[i]);
      });
      const now = substitute([...body.outputs, ...body.newStates], (x) => bound.get(x.node));
      let next = s + m;
      const seeds: [SymbolicTensor, SymbolicTensor][] = [];
      dys.forEach((g, i) => {
        const [y, dy] = [now[i], g === undefined ? undefined : xs[next++]];
        if (y !== undefined && dy !== undefined) seeds.push([y, dy]);
      });
      stateIndex.forEach((i, j) => {
        const [y, dy] = [now[n + i], carried[j]];
        if (y !== undefined && dy !== undefined) seeds.push([y, dy]);
      });
      const targets = [
        ...sequenceIndex.map((i) => xs[i]),
        ...stateIndex.map((i) => xs[s + i]),
        ...constantIndex.map((i) => consts[i]),
      ].filter((x) => x !== undefined);
      const d = vjp(seeds, targets);
      const at = (i: number): SymbolicTensor => {
        const target = targets[i];
        if (target === undefined) throw new Error("scan: a target of the gradient is missing");
        return d[i] ?? zeros(target.shape);
      };
      const [a, b] = [sequenceIndex.length, stateIndex.length];
      const before = dHistory.map((g, i) => {
        const more = g === undefined ? undefined : xs[next++];
        return more === undefined ? at(a + i) : add(at(a + i), more);
      });
      return {
        outputs: sequenceIndex.map((_, i) => at(i)),
        states: [
          ...before,
          ...constantIndex.map((_, i) => add(carried[b + i] ?? at(a + b + i), at(a + b + i))),
        ],
      };
    },
  });
  const result: (SymbolicTensor | undefined)[] = node.inputs.map(() => undefined);
  sequenceIndex.forEach((i, j) => {
    const dx = back.outputs[j];
    result[i] = dx && reverse(dx, 0);
  });
  stateIndex.forEach((i, j) => {
    result[s + i] = back.states[j];
  });
  constantIndex.forEach((i, j) => {
    result[s + m + i] = back.states[stateIndex.length + j];
  });
  return result;
};
