// The living definition of every op: an interpreter of graphs in float64 that goes straight through the nodes, without
// passes and without a plan. Everything here is naive on purpose: an index at a time, nothing shared with the kernels.
import type { Dtype, TypedArray } from "../src/dtype.js";
import { bind } from "../src/graph/dim.js";
import {
  type Attrs,
  type Graph,
  type Node,
  type SymbolicTensor,
  type TensorType,
  topological,
} from "../src/graph/ir.js";
import type { ConvActivation, ConvAttrs } from "../src/graph/ops/conv.js";
import type { CastAttrs, elementwise } from "../src/graph/ops/elementwise.js";
import type { GatherAttrs, ScatterAttrs } from "../src/graph/ops/gather.js";
import type { ConcatAttrs } from "../src/graph/ops/join.js";
import type { PoolAttrs, PoolGradientAttrs } from "../src/graph/ops/pool.js";
import type { RandomAttrs } from "../src/graph/ops/random.js";
import type { ReduceAttrs, reductions } from "../src/graph/ops/reduce.js";
import { gradientOutputs, type RnnAttrs, type RnnGradientAttrs } from "../src/graph/ops/rnn.js";
import { type EachRowAttrs, firstOperand, type GroupRowsAttrs } from "../src/graph/ops/rows.js";
import type { ScanAttrs } from "../src/graph/ops/scan.js";
import type { BroadcastAttrs, ReverseAttrs, SliceAttrs, TransposeAttrs } from "../src/graph/ops/shape.js";
import { type ConstantAttrs, input, type SizeAttrs, type StateAttrs } from "../src/graph/ops/source.js";
import { vjp } from "../src/passes/autodiff.js";
import { crfRules } from "./crf.js";
import { normals, type Stream, truncatedNormals, uniforms } from "./random.js";
import type { Run, Values } from "./values.js";

export type { Run, Values };

/** Outputs by name, and the new values of the variables that the graph updates, by the variables' names. */
export interface Computed {
  readonly outputs: Readonly<Record<string, Values>>;
  readonly updates: Readonly<Record<string, Values>>;
}

export function interpret(graph: Graph, run: Run): Computed {
  const names = Object.keys(graph.outputs);
  const values = evaluate([...Object.values(graph.outputs), ...graph.updates.map((u) => u.value)], run);
  const part = (keys: readonly string[], from: number) =>
    Object.fromEntries(keys.map((key, i) => [key, known(values[from + i], key)]));
  return {
    outputs: part(names, 0),
    updates: part(
      graph.updates.map((u) => u.variable.name),
      names.length,
    ),
  };
}

/** The values of `roots`. */
export const evaluate = (roots: readonly SymbolicTensor[], run: Run): Values[] => evaluator(roots)(run);

/**
 * A function that gives the values of `roots`, again and again.
 *
 * @param given of that function: values of some nodes' outputs, which are then not computed (placeholders of a body)
 */
export function evaluator(
  roots: readonly SymbolicTensor[],
): (run: Run, given?: ReadonlyMap<Node, readonly Values[]>) => Values[] {
  const order = topological(roots);
  return (run, given = new Map()) => {
    const computed = new Map<Node, readonly Values[]>(given);
    const value = (x: SymbolicTensor): Values => known(computed.get(x.node)?.[x.index], x.node.op.name);
    for (const node of order) {
      if (computed.has(node)) continue;
      const rule = rules[node.op.name];
      if (rule === undefined) throw new Error(`the reference does not know the op ${node.op.name}`);
      const results = rule(node.inputs.map(value), node, run);
      results.forEach((result, i) => {
        check(result, known(node.outputs[i], "output"), run, node);
      });
      computed.set(node, results);
    }
    return roots.map(value);
  };
}

/** Holds every result against the shape rule and the dtype of its op. */
function check(result: Values, type: TensorType, { bindings = {} }: Run, node: Node): void {
  const shape = type.shape.map((d) => bind(d, bindings));
  const fail = (what: string) => {
    throw new Error(`${node.op.name}: ${what}, declared as ${type.dtype}[${shape.join(", ")}]`);
  };
  if (`${result.shape}` !== `${shape}`) fail(`the reference has shape [${result.shape.join(", ")}]`);
  if (result.data.length !== sizeOf(shape)) fail(`the reference has ${result.data.length} elements`);
  if (result.data.some((value) => !fits(value, type.dtype))) fail("the reference has values that do not fit");
}

const fits = (value: number, dtype: Dtype): boolean =>
  dtype === "float32" || Object.is(toDtype(value, dtype), value === 0 ? 0 : value);

// ---- Arrays

export const sizeOf = (shape: readonly number[]): number => shape.reduce((p, d) => p * d, 1);

export function known<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what}: a value is missing`);
  return value;
}

type Index = readonly number[];

/** An array from a function of the index, which is valid during the call only. */
export function build(shape: readonly number[], element: (index: Index) => number): Values {
  const data = new Float64Array(sizeOf(shape));
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = element(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = known(index[axis], "index") + 1;
      index[axis] = next === shape[axis] ? 0 : next;
      if (index[axis] !== 0) break;
    }
  }
  return { shape, data };
}

/** The element at an index; axes of size 1 repeat, and indices for further axes in front are left out. */
const at = (x: Values, index: Index): number => known(x.data[positionOf(x, index)], "element");

function positionOf(x: Values, index: Index): number {
  const lead = index.length - x.shape.length;
  let offset = 0;
  for (let axis = 0; axis < x.shape.length; axis++) {
    const d = known(x.shape[axis], "size");
    const i = d === 1 ? 0 : known(index[axis + lead], "index");
    if (i < 0 || i >= d) throw new Error(`index ${i} on an axis of size ${d}`);
    offset = offset * d + i;
  }
  return offset;
}

export const scalar = (value: number): Values => ({ shape: [], data: Float64Array.of(value) });
const full = (shape: readonly number[], value: number): Values => build(shape, () => value);
const add = (a: Values, b: Values): Values => build(a.shape, (i) => at(a, i) + at(b, i));

export const fromArray = (data: TypedArray, shape: readonly number[]): Values => ({
  shape,
  data: Float64Array.from(data),
});

function broadcast(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = shapes.map((s) => s[axis - rank + s.length] ?? 1);
    const size = sizes.find((d) => d !== 1) ?? 1;
    if (sizes.some((d) => d !== 1 && d !== size))
      throw new Error(`sizes ${sizes.join(", ")} do not broadcast`);
    return size;
  });
}

/** Step t of an array [T, ..]. */
function step(x: Values, t: number): Values {
  const shape = x.shape.slice(1);
  return { shape, data: x.data.slice(t * sizeOf(shape), (t + 1) * sizeOf(shape)) };
}

/** Arrays of one shape (given for when there are none) → [n, ..]. */
function stack(parts: readonly Values[], shape: readonly number[]): Values {
  const data = new Float64Array(parts.length * sizeOf(shape));
  parts.forEach((part, i) => {
    data.set(part.data, i * sizeOf(shape));
  });
  return { shape: [parts.length, ...shape], data };
}

/** Rows of `a` where the mask [B] holds, else rows of `b`. */
const selectRows = (mask: Values, a: Values, b: Values): Values =>
  build(a.shape, (i) => (at(mask, i.slice(0, 1)) !== 0 ? at(a, i) : at(b, i)));

/** What is left of a number in a dtype: integers wrap around, bools are "not zero". */
export function toDtype(value: number, dtype: Dtype): number {
  if (dtype === "float32") return value;
  if (dtype === "bool") return value === 0 ? 0 : 1;
  return dtype === "int32" ? Math.trunc(value) | 0 : Math.trunc(value) & 255;
}

// ---- Elementwise ops: numbers in, a number out; the result is wrapped to the op's dtype.

const bool = (x: boolean): number => (x ? 1 : 0);

const scalars: Record<keyof typeof elementwise, (...x: readonly [number, number]) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  // Exact for 32-bit integers that fit in 53 bits together; larger ones are left to Math.imul in `elementwiseRule`.
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  // C's pow: 1 to any power and anything to the power 0 are 1.
  pow: (a, b) => (a === 1 ? 1 : a === -1 && Math.abs(b) === Number.POSITIVE_INFINITY ? 1 : a ** b),
  mod: (a, b) => {
    const rest = a % b;
    return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
  },
  neg: (x) => -x,
  abs: (x) => Math.abs(x),
  sign: (x) => Math.sign(x),
  exp: (x) => Math.exp(x),
  expm1: (x) => Math.expm1(x),
  log: (x) => Math.log(x),
  log1p: (x) => Math.log1p(x),
  sqrt: (x) => Math.sqrt(x),
  rsqrt: (x) => 1 / Math.sqrt(x),
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  floor: (x) => Math.floor(x),
  ceil: (x) => Math.ceil(x),
  round: (x) => {
    const half = Math.floor(x) + 0.5 === x;
    return half ? 2 * Math.round(x / 2) : Math.round(x);
  },
  sin: (x) => Math.sin(x),
  cos: (x) => Math.cos(x),
  tanh: (x) => Math.tanh(x),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  relu: (x) => (x < 0 ? 0 : x),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  erf,
  isNaN: (x) => bool(Number.isNaN(x)),
  isFinite: (x) => bool(Number.isFinite(x)),
  less: (a, b) => bool(a < b),
  lessEqual: (a, b) => bool(a <= b),
  equal: (a, b) => bool(a === b),
  notEqual: (a, b) => bool(a !== b),
  and: (a, b) => bool(a !== 0 && b !== 0),
  or: (a, b) => bool(a !== 0 || b !== 0),
  not: (x) => bool(x === 0),
};

/** The error function: e^(−x²)·2/√π·Σ 2ⁿx^(2n+1)/(2n+1)!! (Abramowitz & Stegun 7.1.6); 1 to double precision from 6 on. */
export function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

type Rule = (inputs: readonly Values[], node: Node, run: Run) => readonly Values[];

const dtypeOf = (node: Node): Dtype => known(node.outputs[0], "output").dtype;

const elementwiseRule =
  (name: string, f: (...x: readonly [number, number]) => number): Rule =>
  (inputs, node) => {
    const dtype = dtypeOf(node);
    const exact = name === "mul" && dtype !== "float32" ? Math.imul : f;
    const shape = broadcast(inputs.map((x) => x.shape));
    const [a, b = a] = inputs;
    return [build(shape, (i) => toDtype(exact(at(known(a, name), i), at(known(b, name), i)), dtype))];
  };

// ---- Reductions: a list in, a number out.

const total = (x: readonly number[]): number => x.reduce((s, v) => s + v, 0);
const largest = (x: readonly number[]): number =>
  x.reduce((m, v) => Math.max(m, v), Number.NEGATIVE_INFINITY);

const lists: Record<keyof typeof reductions, (x: readonly number[], integer: boolean) => number> = {
  sum: total,
  mean: (x) => total(x) / x.length,
  max: largest,
  min: (x) => x.reduce((m, v) => Math.min(m, v), Number.POSITIVE_INFINITY),
  logSumExp: (x) => {
    const top = largest(x);
    return Number.isFinite(top) ? top + Math.log(total(x.map((v) => Math.exp(v - top)))) : top;
  },
  argMax: (x) => x.indexOf(largest(x)),
  prod: (x, integer) => x.reduce((p, v) => (integer ? Math.imul(p, v) : p * v), 1),
};

const reductionRule =
  (f: (x: readonly number[], integer: boolean) => number): Rule =>
  (inputs, node) => {
    const x = known(inputs[0], "operand");
    const { axes } = node.attrs as ReduceAttrs;
    const keep = x.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const lengths = axes.map((i) => known(x.shape[i], "size"));
    const dtype = dtypeOf(node);
    const result = build(
      keep.map((i) => known(x.shape[i], "size")),
      (outer) => {
        const elements = build(lengths, (inner) => {
          const index = x.shape.map((_, i) =>
            known(axes.includes(i) ? inner[axes.indexOf(i)] : outer[keep.indexOf(i)], "index"),
          );
          return at(x, index);
        });
        return toDtype(f([...elements.data], dtype !== "float32"), dtype);
      },
    );
    return [result];
  };

/** A function of the last axis, row by row. */
const rowsRule =
  (f: (row: readonly number[]) => readonly number[]): Rule =>
  ([x]) => {
    const { shape, data } = known(x, "operand");
    const cols = known(shape.at(-1), "last axis");
    const rows = Array.from({ length: cols === 0 ? 0 : data.length / cols }, (_, r) =>
      f([...data.slice(r * cols, (r + 1) * cols)]),
    );
    return [{ shape, data: Float64Array.from(rows.flat()) }];
  };

// ---- Recurrence

/** One step of a body: values of this step's sequences, of the states and of the constants → outputs, new states. */
function bodyOf(body: ScanAttrs["body"], run: Run) {
  const values = evaluator([...body.outputs, ...body.newStates]);
  return (xs: readonly Values[], states: readonly Values[], constants: readonly Values[]) => {
    // A body is closed: it reads no inputs and no state.
    const all = values({ bindings: run.bindings ?? {} }, placed(body, xs, states, constants));
    return { outputs: all.slice(0, body.outputs.length), newStates: all.slice(body.outputs.length) };
  };
}

function placed(
  body: ScanAttrs["body"],
  xs: readonly Values[],
  states: readonly Values[],
  constants: readonly Values[],
): Map<Node, readonly Values[]> {
  const values = [...xs, ...states, ...constants];
  return new Map(
    [...body.sequences, ...body.states, ...body.constants].map((p, i) => [
      p.node,
      [known(values[i], "placeholder")],
    ]),
  );
}

const scanRule: Rule = (inputs, node, run) => {
  const { body, length } = node.attrs as ScanAttrs;
  const [s, m] = [body.sequences.length, body.states.length];
  const constants = inputs.slice(s + m);
  const outputs: Values[][] = [];
  const history: (readonly Values[])[] = [];
  const compute = bodyOf(body, run);
  let states = inputs.slice(s, s + m);
  for (let t = 0; t < bind(length, run.bindings ?? {}); t++) {
    const xs = inputs.slice(0, s).map((x) => step(x, t));
    const now = compute(xs, states, constants);
    outputs.push(now.outputs);
    history.push(states);
    states = now.newStates;
  }
  const stacked = (steps: readonly (readonly Values[])[], types: readonly TensorType[]) =>
    types.map(({ shape }, i) =>
      stack(
        steps.map((values) => known(values[i], "value of a step")),
        shape.map((d) => bind(d, run.bindings ?? {})),
      ),
    );
  return [...stacked(outputs, body.outputs), ...states, ...stacked(history, body.states)];
};

/** The operands of a fused recurrence by their roles; absent states are zeros, an absent mask lets every step count. */
function recurrence(inputs: readonly Values[], { roles, units, body }: RnnAttrs) {
  const role = (name: RnnAttrs["roles"][number]): Values | undefined => {
    const i = roles.indexOf(name);
    return i < 0 ? undefined : inputs[i];
  };
  const x = known(role("x"), "x");
  const [length, batch] = [known(x.shape[0], "T"), known(x.shape[1], "B")];
  return {
    x,
    length,
    mask: role("mask") ?? full([length, batch], 1),
    states: body.states.map((_, i) => role(i === 0 ? "h0" : "c0") ?? full([batch, units], 0)),
    constants: (["kernel", "recurrentKernel", "bias", "dropout"] as const)
      .map(role)
      .filter((value) => value !== undefined),
  };
}

/** Every step of a fused recurrence: what it read (masked rows read zeros) and the states before it; then the last states. */
function trajectory(inputs: readonly Values[], attrs: RnnAttrs, run: Run) {
  const { x, length, mask, states: first, constants } = recurrence(inputs, attrs);
  const compute = bodyOf(attrs.body, run);
  const steps: { x: Values; mask: Values; states: readonly Values[] }[] = [];
  let states: readonly Values[] = first;
  for (let t = 0; t < length; t++) {
    const now = step(mask, t);
    const clean = selectRows(now, step(x, t), full(x.shape.slice(1), 0));
    steps.push({ x: clean, mask: now, states });
    const next = compute([clean], states, constants).newStates;
    states = next.map((value, i) => selectRows(now, value, known(states[i], "state")));
  }
  return { steps, states, constants };
}

const rnnRule: Rule = (inputs, node, run) => {
  const attrs = node.attrs as RnnAttrs;
  const { steps, states } = trajectory(inputs, attrs, run);
  const h = known(states[0], "h");
  const after = [...steps.slice(1).map((s) => known(s.states[0], "h")), ...(steps.length > 0 ? [h] : [])];
  return [stack(after, h.shape), h, states[1] ?? full(h.shape, 0), scalar(0)];
};

/** Step by step backwards: the vector–Jacobian product of the body's equations, masked rows passing their gradient on. */
const rnnGradientRule: Rule = (inputs, node, run) => {
  const attrs = node.attrs as RnnGradientAttrs;
  const { body, seeds, roles } = attrs;
  const { steps, states, constants } = trajectory(inputs, attrs, run);
  const h = known(states[0], "h");
  let next = roles.length + 2;
  const [dys, dh, dc] = seeds.map((given) => (given ? known(inputs[next++], "seed") : undefined));

  const seedPlaceholders = body.states.map((s, i) => input(`d${i}`, s.shape));
  const targets = [...body.sequences, ...body.states, ...body.constants];
  const products = vjp(
    body.newStates.map((y, i) => [y, known(seedPlaceholders[i], "seed")] as const),
    targets,
  );

  const wanted = products.filter((p) => p !== undefined);
  const compute = evaluator(wanted);

  let dStates = [dh, dc].slice(0, states.length).map((d) => d ?? full(h.shape, 0));
  let dConstants = constants.map((c) => full(c.shape, 0));
  const dxs: Values[] = [];
  for (let t = steps.length - 1; t >= 0; t--) {
    const now = known(steps[t], "step");
    if (dys !== undefined) dStates = dStates.map((d, i) => (i === 0 ? add(d, step(dys, t)) : d));
    const given = new Map(placed(body, [now.x], now.states, constants));
    const nothing = full(h.shape, 0);
    seedPlaceholders.forEach((p, i) => {
      given.set(p.node, [selectRows(now.mask, known(dStates[i], "gradient"), nothing)]);
    });
    const values = compute({ bindings: run.bindings ?? {} }, given);
    const d = products.map((p, i) =>
      p === undefined
        ? full(known(given.get(known(targets[i], "target").node)?.[0], "target").shape, 0)
        : known(values[wanted.indexOf(p)], "gradient"),
    );
    dxs.unshift(known(d[0], "dx"));
    dStates = dStates.map((old, i) => selectRows(now.mask, known(d[1 + i], "state gradient"), old));
    dConstants = dConstants.map((sum, i) => add(sum, known(d[1 + states.length + i], "constant gradient")));
  }
  const x = known(inputs[roles.indexOf("x")], "x");
  const gradientOf: Partial<Record<(typeof gradientOutputs)[number], Values | undefined>> = {
    x: stack(dxs, x.shape.slice(1)),
    kernel: dConstants[0],
    recurrentKernel: dConstants[1],
    bias: roles.includes("bias") ? dConstants[2] : undefined,
    h0: dStates[0],
    c0: dStates[1],
  };
  return gradientOutputs.map((role) => gradientOf[role] ?? full(h.shape, 0));
};

// ---- Random numbers

/** What a node draws from; inputs: seed, step?, rowBase?. */
function streamOf(inputs: readonly Values[], { stream, hasStep, hasRowBase }: RandomAttrs): Stream {
  const [seed, ...rest] = inputs.map((x) => x.data);
  const step = hasStep ? known(rest.shift()?.[0], "step") : 0;
  const rowBase = hasRowBase ? known(rest.shift()?.[0], "rowBase") : 0;
  return { seed: [known(seed?.[0], "seed"), known(seed?.[1], "seed")], step, rowBase, opId: stream };
}

/** The numbers that a node draws, row by row; its parameters are float32. */
function drawn(inputs: readonly Values[], node: Node, run: Run): Values {
  const attrs = attrsOf<RandomAttrs>(node);
  const [a, b] = [Math.fround(attrs.a), Math.fround(attrs.b)];
  const shape = attrs.shape.map((d) => bind(d, run.bindings ?? {}));
  const [rows = 1, ...row] = shape;
  const stream = streamOf(inputs, attrs);
  const numbers = {
    uniform: (r: number, n: number) => uniforms(stream, r, n).map((u) => a + (b - a) * u),
    normal: (r: number, n: number) => normals(stream, r, n).map((z) => a + b * z),
    truncatedNormal: (r: number, n: number) => truncatedNormals(stream, r, n).map((z) => a + b * z),
    dropout: (r: number, n: number) => uniforms(stream, r, n).map((u) => (u < a ? 0 : 1 / (1 - a))),
  }[attrs.kind];
  const data = Array.from({ length: rows }, (_, r) => numbers(r, sizeOf(row)));
  return { shape, data: Float64Array.from(data.flat()) };
}

/** Householder QR of x [m, n], m ≥ n (Golub & Van Loan, "Matrix Computations", §5.2): the first n columns of Q, with R's diagonal positive. */
function orthogonalFactor(x: Values): Values {
  const [m, n] = [known(x.shape[0], "m"), known(x.shape[1], "n")];
  const r = build(x.shape, (i) => at(x, i));
  const q = build([m, m], ([i, j]) => bool(i === j));
  const get = (a: Values, i: number, j: number) => at(a, [i, j]);
  for (let k = 0; k < n; k++) {
    const v = Array.from({ length: m }, (_, i) => (i < k ? 0 : get(r, i, k)));
    const norm = Math.hypot(...v);
    v[k] = known(v[k], "v") + (get(r, k, k) < 0 ? -norm : norm);
    const vv = total(v.map((e) => e * e));
    if (vv === 0) continue;
    // r ← (1 − 2vvᵀ/vᵀv)·r, q ← q·(1 − 2vvᵀ/vᵀv)
    for (let j = 0; j < n; j++) {
      const dot = total(v.map((e, i) => e * get(r, i, j)));
      v.forEach((e, i) => {
        r.data[i * n + j] = get(r, i, j) - (2 * e * dot) / vv;
      });
    }
    for (let i = 0; i < m; i++) {
      const dot = total(v.map((e, j) => e * get(q, i, j)));
      v.forEach((e, j) => {
        q.data[i * m + j] = get(q, i, j) - (2 * e * dot) / vv;
      });
    }
  }
  return build([m, n], ([i = 0, j = 0]) => (get(r, j, j) < 0 ? -1 : 1) * get(q, i, j));
}

// ---- All ops

const attrsOf = <A extends Attrs>(node: Node): A => node.attrs as A;
const given = (inputs: readonly Values[], i = 0): Values => known(inputs[i], `operand ${i}`);

/** The ops that no record of src/graph lists by name; a test holds this against what src/graph exports. */
const otherRules: Readonly<Record<string, Rule>> = {
  input: (_inputs, node, run) => {
    const { name } = attrsOf<{ name: string }>(node);
    return [known(run.inputs?.[name], `input ${name}`)];
  },
  constant: (_inputs, node) => {
    const { data, shape } = attrsOf<ConstantAttrs>(node);
    return [fromArray(data, shape)];
  },
  state: (_inputs, node, run) => {
    const { name } = attrsOf<StateAttrs>(node).variable;
    return [known(run.state?.[name], `state ${name}`)];
  },
  size: (_inputs, node, run) => [scalar(bind(attrsOf<SizeAttrs>(node).size, run.bindings ?? {}))],

  select: (inputs) => [
    build(broadcast(inputs.map((x) => x.shape)), (i) =>
      at(given(inputs), i) !== 0 ? at(given(inputs, 1), i) : at(given(inputs, 2), i),
    ),
  ],
  // From float32 by way of int32: towards zero, to the nearest int32 beyond its range, NaN to 0.
  cast: (inputs, node) => {
    const { dtype } = attrsOf<CastAttrs>(node);
    const whole = node.inputs[0]?.dtype === "float32" && (dtype === "int32" || dtype === "uint8");
    const limited = (x: number) => (Number.isNaN(x) ? 0 : Math.max(-(2 ** 31), Math.min(x, 2 ** 31 - 1)));
    return [
      build(given(inputs).shape, (i) => {
        const x = at(given(inputs), i);
        return toDtype(whole ? limited(x) : x, dtype);
      }),
    ];
  },

  matmul: (inputs) => {
    const [a, b] = [given(inputs), given(inputs, 1)];
    const batch = broadcast([a.shape.slice(0, -2), b.shape.slice(0, -2)]);
    const [m, inner, n] = [
      known(a.shape.at(-2), "m"),
      known(a.shape.at(-1), "k"),
      known(b.shape.at(-1), "n"),
    ];
    const products: number[] = [];
    // Where the matrices of each place in the batch begin.
    const begins = (x: Values) =>
      build(batch, (outer) => {
        const own = { shape: x.shape.slice(0, -2), data: x.data };
        return positionOf(own, outer) * known(x.shape.at(-2), "rows") * known(x.shape.at(-1), "columns");
      }).data;
    const beginsB = begins(b);
    begins(a).forEach((beginA, place) => {
      const beginB = known(beginsB[place], "place");
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let k = 0; k < inner; k++)
            sum += known(a.data[beginA + i * inner + k], "a") * known(b.data[beginB + k * n + j], "b");
          products.push(sum);
        }
    });
    return [{ shape: [...batch, m, n], data: Float64Array.from(products) }];
  },
  softmax: rowsRule((row) => {
    const top = largest(row);
    const e = row.map((v) => Math.exp(v - top));
    return e.map((v) => v / total(e));
  }),
  logSoftmax: rowsRule((row) => {
    const top = largest(row);
    const norm = top + Math.log(total(row.map((v) => Math.exp(v - top))));
    return row.map((v) => v - norm);
  }),
  gather: (inputs, node) => {
    const { axis } = attrsOf<GatherAttrs>(node);
    const [table, ids] = [given(inputs), given(inputs, 1)];
    const shape = [...table.shape.slice(0, axis), ...ids.shape, ...table.shape.slice(axis + 1)];
    const end = axis + ids.shape.length;
    return [
      build(shape, (i) => {
        const id = at(ids, i.slice(axis, end));
        if (id < 0 || id >= known(table.shape[axis], "rows"))
          throw new Error(`gather: index ${id} is out of range`);
        return known(table.data[offsetOf(table.shape, [...i.slice(0, axis), id, ...i.slice(end)])], "entry");
      }),
    ];
  },
  scatterAdd: (inputs, node, run) => {
    const { axis, size } = attrsOf<ScatterAttrs>(node);
    const [x, ids] = [given(inputs), given(inputs, 1)];
    const end = axis + ids.shape.length;
    const result = full(
      [...x.shape.slice(0, axis), bind(size, run.bindings ?? {}), ...x.shape.slice(end)],
      0,
    );
    build(x.shape, (i) => {
      const to = offsetOf(result.shape, [...i.slice(0, axis), at(ids, i.slice(axis, end)), ...i.slice(end)]);
      result.data[to] = known(result.data[to], "entry") + at(x, i);
      return 0;
    });
    return [result];
  },

  crossEntropy: (inputs) => {
    const [x, labels] = [given(inputs), given(inputs, 1)];
    const width = known(x.shape.at(-1), "classes");
    const rows = [...labels.data].map((label, r) => {
      const row = [...x.data.slice(r * width, (r + 1) * width)];
      const top = largest(row);
      const logSum = Math.log(total(row.map((v) => Math.exp(v - top))));
      return [label in row ? top + logSum - known(row[label], "logit") : 0, top, logSum];
    });
    return [0, 1, 2].map((k) => ({
      shape: labels.shape,
      data: Float64Array.from(rows, (row) => known(row[k], "value")),
    }));
  },
  crossEntropyGradient: ([x, labels, top, logSum, g]) => {
    const width = known(x?.shape.at(-1), "classes");
    return [
      build(known(x, "logits").shape, (i) => {
        const [row, column] = [i.slice(0, -1), known(i.at(-1), "class")];
        const label = at(known(labels, "labels"), row);
        if (label < 0 || label >= width) return 0;
        const norm = at(known(top, "maxima"), row) + at(known(logSum, "sums"), row);
        const p = Math.exp(at(known(x, "logits"), i) - norm);
        return at(known(g, "gradient"), row) * (p - Number(label === column));
      }),
    ];
  },
  groupRows: (inputs, node, run) => {
    const ids = [...given(inputs).data];
    const distinct = [...new Set(ids)];
    const size = bind(attrsOf<GroupRowsAttrs>(node).size, run.bindings ?? {});
    if (ids.some((id) => id < 0 || id >= size)) throw new Error("groupRows: an id is out of range");
    const list = (values: readonly number[]): Values => ({
      shape: [values.length],
      data: Float64Array.from(values),
    });
    return [
      list([...distinct, ...ids.slice(distinct.length).map(() => 0)]),
      list(ids.map((id) => distinct.indexOf(id))),
      { shape: [], data: Float64Array.of(distinct.length) },
      list(Array.from({ length: size }, (_, row) => distinct.indexOf(row))),
    ];
  },
  sumRows: (inputs) => {
    const [x, places] = [given(inputs), given(inputs, 1)];
    const sums = full(x.shape, 0);
    build(x.shape, ([i = 0, ...rest]) => {
      const to = offsetOf(x.shape, [known(places.data[i], "place"), ...rest]);
      sums.data[to] = known(sums.data[to], "sum") + at(x, [i, ...rest]);
      return 0;
    });
    return [sums];
  },
  eachRow: (inputs, node, run) => {
    const attrs = attrsOf<EachRowAttrs>(node);
    const { width, operands, body, into, counted } = attrs;
    const first = firstOperand(attrs);
    const index = given(inputs).data;
    const count = counted ? known(given(inputs, 1).data[0], "count") : index.length;
    const results = into.map((operand) => {
      const table = given(inputs, first + operand);
      return { shape: table.shape, data: table.data.slice() };
    });
    const outputs = evaluator(body.outputs);
    for (let r = 0; r < count; r++) {
      const rowOf = (operand: number) => (operands[operand]?.indexed === true ? known(index[r], "index") : r);
      const placeholders = body.operands.map((placeholder, i): readonly [Node, readonly Values[]] => {
        const { data } = given(inputs, first + i);
        const row = rowOf(i);
        const values = {
          row: () => (row < 0 ? new Float64Array(width) : data.slice(row * width, (row + 1) * width)),
          number: () => Float64Array.of(row < 0 ? 0 : known(data[row], "number")),
          scalar: () => data,
        }[known(operands[i], "operand").kind]();
        return [placeholder.node, [{ shape: placeholder.shape.map(Number), data: values }]];
      });
      outputs(run, new Map(placeholders)).forEach(({ data }, k) => {
        results[k]?.data.set(data, rowOf(known(into[k], "output")) * width);
      });
    }
    return results;
  },

  random: (inputs, node, run) => [drawn(inputs, node, run)],
  randomMask: (inputs, node, run) => [drawn(inputs, node, run)],
  // A dropped element is 0 even where x is not a number.
  dropout: (inputs, node, run) => {
    const factors = drawn(inputs.slice(1), node, run);
    return [build(factors.shape, (i) => (at(factors, i) === 0 ? 0 : at(factors, i) * at(given(inputs), i)))];
  },
  orthogonal: (inputs, node) => {
    const { rows, cols, gain } = attrsOf<{ rows: number; cols: number; gain: number }>(node);
    const q = orthogonalFactor(given(inputs));
    return [build([rows, cols], ([i = 0, j = 0]) => gain * at(q, rows < cols ? [j, i] : [i, j]))];
  },

  reshape: (inputs, node, run) => {
    const { shape } = attrsOf<{ shape: TensorType["shape"] }>(node);
    return [{ shape: shape.map((d) => bind(d, run.bindings ?? {})), data: given(inputs).data }];
  },
  transpose: (inputs, node) => {
    const { perm } = attrsOf<TransposeAttrs>(node);
    const x = given(inputs);
    return [
      build(
        perm.map((p) => known(x.shape[p], "size")),
        (i) =>
          at(
            x,
            x.shape.map((_, axis) => known(i[perm.indexOf(axis)], "index")),
          ),
      ),
    ];
  },
  slice: (inputs, node, run) => {
    const { begin, size } = attrsOf<SliceAttrs>(node);
    const x = given(inputs);
    const [from, extent] = [begin, size].map((dims) => dims.map((d) => bind(d, run.bindings ?? {})));
    x.shape.forEach((d, axis) => {
      const [b, n] = [known(from?.[axis], "begin"), known(extent?.[axis], "size")];
      if (b < 0 || n < 0 || b + n > d)
        throw new Error(`slice: ${n} elements from ${b} on an axis of size ${d}`);
    });
    return [
      build(known(extent, "size"), (i) =>
        known(
          x.data[
            offsetOf(
              x.shape,
              i.map((e, axis) => e + known(from?.[axis], "begin")),
            )
          ],
          "element",
        ),
      ),
    ];
  },
  reverse: (inputs, node) => {
    const { axes } = attrsOf<ReverseAttrs>(node);
    const x = given(inputs);
    return [
      build(x.shape, (i) =>
        at(
          x,
          i.map((e, axis) => (axes.includes(axis) ? (x.shape[axis] ?? 0) - 1 - e : e)),
        ),
      ),
    ];
  },
  broadcastTo: (inputs, node, run) => {
    const { shape } = attrsOf<BroadcastAttrs>(node);
    return [
      build(
        shape.map((d) => bind(d, run.bindings ?? {})),
        (i) => at(given(inputs), i),
      ),
    ];
  },
  stopGradient: (inputs) => [given(inputs)],
  guard: (inputs) => [given(inputs)],
  concat: (inputs, node) => {
    const { axis } = attrsOf<ConcatAttrs>(node);
    const sizes = inputs.map((x) => known(x.shape[axis], "size"));
    return [
      build(given(inputs).shape.with(axis, total(sizes)), (i) => {
        let [piece, position] = [0, known(i[axis], "index")];
        while (position >= known(sizes[piece], "size")) position -= known(sizes[piece++], "size");
        return known(
          given(inputs, piece).data[offsetOf(given(inputs, piece).shape, i.with(axis, position))],
          "element",
        );
      }),
    ];
  },

  layOut: (inputs) => [given(inputs)],
  conv: (inputs, node, run) => {
    const attrs = attrsOf<ConvAttrs>(node);
    const [x, pack, bias] = [given(inputs), given(inputs, 1), inputs[2]];
    const out = node.outputs[0]?.shape.map((d) => bind(d, run.bindings ?? {})) ?? [];
    const result = full(out, 0);
    eachProduct(attrs, run, x.shape, out, ({ pixel, filter, weight, input }) => {
      const to = offsetOf(out, [...pixel, filter]);
      result.data[to] = known(result.data[to], "sum") + at(x, input) * at(pack, weight);
    });
    const activate = convActivations[attrs.activation];
    return [build(out, (i) => activate(at(result, i) + (bias === undefined ? 0 : at(bias, i.slice(-1)))))];
  },
  convWeights: (inputs, node, run) => {
    const attrs = attrsOf<ConvAttrs>(node);
    const [x, g] = [given(inputs), given(inputs, 1)];
    const shape = (known(node.outputs[0], "output").shape as readonly number[]).slice();
    const weights = full(shape, 0);
    eachProduct(attrs, run, x.shape, g.shape, ({ pixel, filter, weight, input }) => {
      const to = offsetOf(shape, weight);
      weights.data[to] = known(weights.data[to], "sum") + at(x, input) * at(g, [...pixel, filter]);
    });
    const biases = full([attrs.filters], 0);
    build(g.shape, (i) => {
      const f = known(i.at(-1), "filter");
      biases.data[f] = known(biases.data[f], "sum") + at(g, i);
      return 0;
    });
    return [weights, biases];
  },
  pool: (inputs, node, run) => {
    const attrs = attrsOf<PoolAttrs>(node);
    const x = given(inputs);
    const out = node.outputs[0]?.shape.map((d) => bind(d, run.bindings ?? {})) ?? [];
    return [
      build(out, (i) => {
        const values = windowOf(attrs, run, x.shape, i).map((place) => at(x, place));
        return attrs.kind === "max" ? largest(values) : total(values) / values.length;
      }),
    ];
  },
  poolGradient: (inputs, node, run) => {
    const attrs = attrsOf<PoolGradientAttrs>(node);
    const [g, x] = [given(inputs), inputs[1]];
    const shape = node.outputs[0]?.shape.map((d) => bind(d, run.bindings ?? {})) ?? [];
    const result = full(shape, 0);
    const give = (place: Index, part: number) => {
      const to = offsetOf(shape, place);
      result.data[to] = known(result.data[to], "sum") + part;
    };
    build(g.shape, (i) => {
      const places = windowOf(attrs, run, shape, i);
      if (x === undefined) for (const place of places) give(place, at(g, i) / places.length);
      else {
        const values = places.map((place) => at(x, place));
        const first = values.findIndex(
          (value) => Object.is(value, largest(values)) || value === largest(values),
        );
        give(known(places[first], "maximum"), at(g, i));
      }
      return 0;
    });
    return [result];
  },

  scan: scanRule,
  rnn: rnnRule,
  rnnGradient: rnnGradientRule,
  ...crfRules,
};

// ---- Windows

const convActivations: Record<ConvActivation, (x: number) => number> = {
  linear: (x) => x,
  relu: (x) => (x < 0 ? 0 : x),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  leakyRelu: (x) => (x > 0 ? x : 0.2 * x),
  tanh: Math.tanh,
};

/** One product of a convolution: of which output pixel and filter, weight and number of x. */
interface Product {
  readonly pixel: Index;
  readonly filter: number;
  readonly weight: Index;
  readonly input: Index;
}

/** All products of a convolution: output pixel p and tap k meet input pixel i where i·apart = p·stride − before + k·dilation. */
function eachProduct(
  { kernel, strides, dilation, apart, before, groups, filters }: ConvAttrs,
  { bindings = {} }: Run,
  [N = 0, H = 0, W = 0, C = 0]: readonly number[],
  [, OH = 0, OW = 0]: readonly number[],
  visit: (product: Product) => void,
): void {
  const [channels, own] = [C / groups, filters / groups];
  const first = before.map((d) => bind(d, bindings));
  const meet = (axis: 0 | 1, p: number, k: number, size: number): number | undefined => {
    const place = p * strides[axis] - known(first[axis], "before") + k * dilation[axis];
    return place % apart[axis] === 0 && place >= 0 && place / apart[axis] < size
      ? place / apart[axis]
      : undefined;
  };
  build([N, OH, OW, filters, kernel[0], kernel[1], channels], (index) => {
    const [n = 0, oh = 0, ow = 0, filter = 0, kh = 0, kw = 0, c = 0] = index;
    const [h, w] = [meet(0, oh, kh, H), meet(1, ow, kw, W)];
    if (h === undefined || w === undefined) return 0;
    const [group, f] = [Math.floor(filter / own), filter % own];
    const k = (kh * kernel[1] + kw) * channels + c;
    visit({
      pixel: [n, oh, ow],
      filter,
      weight: [group, Math.floor(f / 16), k, f % 16],
      input: [n, h, w, group * channels + c],
    });
    return 0;
  });
}

/** The pixels [N, D, H, W, C] in the window of an output pixel, in their order. */
function windowOf(
  { window, strides, before }: PoolAttrs,
  { bindings = {} }: Run,
  [, ...sizes]: readonly number[],
  [n = 0, a = 0, b = 0, c = 0, channel = 0]: Index,
): Index[] {
  const [d = [], h = [], w = []] = [a, b, c].map((p, axis) => {
    const first = p * known(strides[axis], "stride") - bind(known(before[axis], "before"), bindings);
    return Array.from({ length: known(window[axis], "window") }, (_, k) => first + k).filter(
      (i) => i >= 0 && i < known(sizes[axis], "size"),
    );
  });
  return d.flatMap((i) => h.flatMap((j) => w.map((k) => [n, i, j, k, channel])));
}

/** Row-major position of an index, which must lie inside. */
function offsetOf(shape: readonly number[], index: Index): number {
  return shape.reduce((offset, d, axis) => {
    const i = known(index[axis], "index");
    if (i < 0 || i >= d) throw new Error(`index ${i} on an axis of size ${d}`);
    return offset * d + i;
  }, 0);
}

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(Object.entries(scalars).map(([name, f]) => [name, elementwiseRule(name, f)])),
  ...Object.fromEntries(Object.entries(lists).map(([name, f]) => [name, reductionRule(f)])),
  ...otherRules,
};

/** Names of all ops that the reference defines. */
export const definedOps: readonly string[] = Object.keys(rules);
