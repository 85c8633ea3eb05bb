import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as ops from "../../src/graph/build.js";
import type { Graph, StateVariable, SymbolicTensor, Update } from "../../src/graph/ir.js";
import { verify } from "../../src/graph/verify.js";
import { gradients } from "../../src/passes/autodiff.js";
import { optimize } from "../../src/passes/index.js";
import type { Backend } from "../../src/runtime/backend.js";
import { execute } from "../execute.js";
import { hashName, uniform } from "../golden/load.js";
import { backendOf, instructionSets } from "../kernels/harness.js";
import { interpret, known } from "../reference.js";
import { B, bindings, float, T, valuesOf, type X } from "./case.js";
import { recurrence } from "./cells.js";
import { expectAgreement } from "./compare.js";

// Graphs put together at random, run as one program with their updates and held against the reference: what no case of
// a single op shows is how values share buffers, who overwrites whom, and who still reads the old value.

const variable = (name: string, role: StateVariable["role"]): StateVariable => ({
  name,
  shape: [3, 4],
  dtype: "float32",
  role,
});
const variables = [variable("v0", "slot"), variable("v1", "recurrent"), variable("v2", "weight")];
/** Of more elements than a kernel takes at a time. */
const large: StateVariable = { name: "large", shape: [40, 40], dtype: "float32", role: "slot" };
/** More than one instruction can write. */
const many = Array.from({ length: 20 }, (_, i) => variable(`m${i}`, "slot"));
const everyVariable = [...variables, large, ...many];

let backend: Backend;
beforeAll(async () => {
  backend = await backendOf(instructionSets[0] ?? "simd128", 2);
});
afterAll(() => backend.close());

async function agrees(graph: Graph): Promise<void> {
  verify(graph);
  verify(optimize(graph));
  const array = (name: string, shape: SymbolicTensor["shape"]) => {
    const sizes = shape.map((d) => (typeof d === "number" ? d : known(bindings[`${d}`], "binding")));
    return {
      shape: sizes,
      data: valuesOf(
        float(sizes, -1, 1),
        name,
        sizes.reduce((p, d) => p * d, 1),
      ),
    };
  };
  const nameOf = (x: SymbolicTensor) => (x.node.attrs as { name: string }).name;
  const inputs = Object.fromEntries(graph.inputs.map((x) => [nameOf(x), array(nameOf(x), x.shape)]));
  const state = Object.fromEntries(everyVariable.map((v) => [v.name, array(v.name, v.shape)]));
  const wanted = interpret(graph, { inputs, state, bindings });
  // The passes change nothing at all.
  expect(interpret(optimize(graph), { inputs, state, bindings })).toEqual(wanted);
  const executed = await execute(
    graph,
    graph.inputs.map((x) => Float32Array.from(known(inputs[nameOf(x)], "input").data)),
    bindings,
    backend,
    new Map(everyVariable.map((v) => [v, Float32Array.from(known(state[v.name], v.name).data)])),
  );
  for (const [name, values] of Object.entries(wanted.outputs)) {
    expectAgreement(name, known(executed.outputs[name], name), values, "float32");
  }
  for (const { variable: v } of graph.updates) {
    expectAgreement(
      v.name,
      known(executed.state.get(v), v.name),
      known(wanted.updates[v.name], v.name),
      "float32",
    );
  }
}

// ---- Random graphs

/** Every shape that values have; ops go from one to another. */
const x34 = ops.input("x34", [3, 4]);
const xBT = ops.input("xBT", [B, T]);
const xTB2 = ops.input("xTB2", [T, B, 2]);
const steps = ops.input("steps", [4, 3, 2]);
const inputs = [x34, xBT, xTB2, steps];

type Choose = (count: number) => number;

/** One more value, from those there are. All stay within a few units, so that rounding stays small. */
function grow(pool: readonly X[], choose: Choose): X {
  const pick = () => known(pool[choose(pool.length)], "value");
  const like = (x: X) => {
    const same = pool.filter((y) => `${y.shape}` === `${x.shape}`);
    return known(same[choose(same.length)], "value");
  };
  const x = pick();
  const last = Math.max(x.rank - 1, 0);
  const axis = choose(Math.max(x.rank, 1));
  switch (choose(25)) {
    case 22:
      return ops.sub(ops.mul(1, ops.add(x, -0)), 0);
    case 23:
      return x.rank < 2
        ? ops.neg(ops.neg(x))
        : ops.transpose(ops.reverse(ops.reverse(ops.transpose(x), 0), 0));
    case 24:
      return ops.where(ops.ones([], "bool"), ops.reshape(ops.reshape(x, [-1]), x.shape), like(x));
    case 0:
      return ops.tanh(x);
    case 1:
      return ops.sin(x);
    case 2:
      return ops.mul(ops.add(x, like(x)), 0.5);
    case 3:
      return ops.mul(ops.tanh(x), like(x));
    case 4:
      return ops.sub(0.3, ops.sigmoid(x));
    case 5:
      return ops.maximum(ops.tanh(x), ops.neg(like(x)));
    case 6:
      return ops.transpose(x);
    case 7:
      return x.rank === 0 ? ops.broadcastTo(x, [3, 4]) : ops.reverse(x, axis);
    case 8:
      return x.rank < 2 ? ops.expandDims(x, 0) : ops.reshape(x, [-1, x.shape[last] ?? 1]);
    case 9:
      return x.rank === 0 ? ops.square(ops.tanh(x)) : ops.reshape(x, [-1]);
    case 10:
      return x.rank === 0 ? ops.stack([x, x, x]) : ops.mean(x, axis);
    case 11:
      return x.rank === 0 ? x : ops.max(x, axis, true);
    case 12:
      return x.rank === 0 ? ops.cos(x) : ops.softmax(x);
    case 13:
      return x.rank === 0 ? ops.neg(x) : ops.concat([x, like(x)], axis);
    case 14:
      return x.rank === 0
        ? ops.stack([x, like(x)])
        : ops.concat([ops.sin(x), ops.mul(like(x), 0.5), ops.tanh(x)], 0);
    case 15:
      return x.rank === 2 ? ops.tanh(ops.matMul(x, like(x), false, true)) : ops.tanh(x);
    case 16:
      return x.rank === 2 ? ops.tanh(ops.matMul(x, x, true)) : ops.neg(x);
    case 17:
      return x.rank === 0 || typeof x.shape[0] !== "number" || x.shape[0] < 2
        ? ops.erf(x)
        : ops.slice(x, [1]);
    case 18:
      return x.rank === 0 ? ops.expandDims(x, 0) : ops.pad(x, [[1, 0]], 0.25);
    case 19: {
      if (x.rank === 0) return ops.softplus(x);
      const starts = pool.filter((y) => `${y.shape}` === `${x.shape.slice(1)}`);
      const state = starts[choose(starts.length + 1)] ?? {
        shape: x.shape.slice(1),
        dtype: "float32" as const,
      };
      const outer = pool.find((y) => y.rank === 0);
      const { outputs, states } = ops.scan({
        sequences: [x, like(x)],
        states: [state, state],
        step: ([a = x, b = x], [p = x, q = x]) => {
          const next = ops.tanh(ops.add(ops.mul(p, 0.5), a));
          return {
            outputs: [ops.mul(next, outer ?? b), ops.sub(q, b)],
            states: choose(2) === 0 ? [next, p] : [q, ops.mul(next, 0.5)],
          };
        },
      });
      return known([...outputs, ...states][choose(4)], "result");
    }
    case 20: {
      const [dx] = gradients(ops.sum(ops.mul(ops.tanh(x), like(x))), [x]);
      return dx ?? x;
    }
    default:
      return ops.where(ops.greater(ops.sin(x), 0.1), x, ops.mul(like(x), 0.5));
  }
}

const shapeSmall = (x: X) => x.shape.every((d) => typeof d === "number") || `${x.shape}`.length < 16;
const sizeOfValue = (x: X) =>
  x.shape.reduce<number>((p, d) => p * (typeof d === "number" ? d : Number.NaN), 1);

function graphOf(seeds: readonly number[]): Graph {
  let at = 0;
  const choose: Choose = (count) => known(seeds[at++ % seeds.length], "choice") % count;
  const pool: X[] = [...inputs, ...variables.map(ops.read)];
  for (let i = 0; i < 14; i++) {
    const y = grow(pool, choose);
    if (shapeSmall(y) && !(sizeOfValue(y) > 200)) pool.push(y);
  }
  const fitting = pool.filter((x) => `${x.shape}` === "3,4");
  const updates = variables.flatMap((v): Update[] =>
    choose(4) === 0 ? [] : [{ variable: v, value: known(fitting[choose(fitting.length)], "value") }],
  );
  const outputs = Object.fromEntries(
    [0, 1, 2, 3].map((i) => [
      `y${i}`,
      known(pool[pool.length - 1 - choose(Math.min(pool.length, 9))], "value"),
    ]),
  );
  return { name: "random", inputs, outputs, updates };
}

describe("random graphs with updates", () => {
  it("compute what the reference computes", async () => {
    const choices = fc.array(fc.nat(1000), { minLength: 60, maxLength: 90 });
    await fc.assert(
      fc.asyncProperty(choices, (seeds) => agrees(graphOf(seeds))),
      { numRuns: 400, seed: 1 },
    );
  });
});

describe("updates", () => {
  const [v0 = variables[0], v1 = v0, v2 = v0] = variables;
  const [a, b, w] = [v0, v1, v2].map((v) => ops.read(known(v, "variable"))) as [X, X, X];
  const set = (v: StateVariable | undefined, value: X): Update => ({ variable: known(v, "variable"), value });

  // Recurrences whose states are the variables: rows of [3, 4].
  const weights = (name: string, rows: number, cols: number) =>
    ops.constant(Float32Array.from(uniform(hashName(name), rows * cols)), [rows, cols], "float32");
  const lstm = recurrence(
    {
      cell: "lstm",
      activation: "tanh",
      recurrentActivation: "sigmoid",
      units: 4,
      bias: false,
      dropout: false,
    },
    { x: steps, kernel: weights("w", 2, 16), recurrentKernel: weights("u", 4, 16), h0: a, c0: b },
    true,
  );
  const [h = a, cell = b] = lstm.states;
  const [dx = a] = gradients(ops.sum(ops.square(h)), [steps]);
  const stepwise = ops.scan({
    sequences: [steps],
    states: [a, b],
    step: ([now = steps], [p = a, q = b]) => {
      const next = ops.tanh(ops.add(ops.mul(p, 0.5), ops.mean(now)));
      return { outputs: [ops.mul(p, q)], states: [q, next] };
    },
  });
  const [last0 = a, last1 = b] = stepwise.states;
  const s = ops.read(large);
  const repeated = (step: (state: X) => X): X =>
    known(
      ops.scan({
        sequences: [steps],
        states: [s],
        step: (_, [old = s]) => ({ outputs: [], states: [step(old)] }),
      }).states[0],
      "state",
    );
  const flipped = repeated((old) => ops.transpose(old));
  const shifted = repeated((old) => ops.sin(ops.add(old, ops.slice(old, [0], [1]))));
  const fromWeights = ops.scan({
    sequences: [steps],
    states: [w, weights("start", 3, 4)],
    step: ([now = steps], [p = a, q = b]) => {
      const next = ops.tanh(ops.add(ops.mul(p, 0.5), ops.mean(now)));
      return { outputs: [ops.mul(p, q)], states: [q, next] };
    },
  });

  /** A formula with as many results as it has operands; the first result goes where the last operand was. */
  const half = ops.scalar(0.5);
  const crosswise = (values: readonly X[]): X[] => {
    const results: X[] = [];
    for (const value of values) results.unshift(ops.add(ops.mul(results[0] ?? value, half), value));
    return results;
  };
  const rows = (x: X) => ({
    forth: ops.concat([ops.sin(ops.slice(x, [1])), ops.tanh(ops.slice(x, [0], [1]))], 0),
    back: ops.concat([ops.tanh(ops.slice(x, [2])), ops.sin(ops.slice(x, [0], [2]))], 0),
  });
  const crossed = ops.scan({
    sequences: [steps],
    states: many.map(ops.read),
    step: (_, states) => ({ outputs: [], states: crosswise(states) }),
  }).states;
  const turned = ops.scan({
    sequences: [steps],
    states: [a, b],
    step: (_, [p = a, q = b]) => ({ outputs: [], states: [rows(p).forth, rows(q).back] }),
  }).states;

  it.each([
    [
      "by a formula longer than an instruction",
      {},
      crosswise(many.map(ops.read)).map((value, i) => set(many[i], value)),
    ],
    [
      "by a formula longer than an instruction, in a scan",
      Object.fromEntries(crossed.map((y, i) => [`y${i}`, y])),
      [],
    ],
    ["from pieces of themselves", {}, [set(v0, rows(a).forth), set(v1, rows(b).back)]],
    ["from pieces of themselves, in a scan", Object.fromEntries(turned.map((y, i) => [`y${i}`, y])), []],
    ["of one from itself, its old value an output", { was: a }, [set(v0, ops.mul(a, 2))]],
    ["that swap", {}, [set(v0, b), set(v1, a)]],
    ["that swap and change", { a, b }, [set(v0, ops.neg(b)), set(v1, ops.add(a, b))]],
    ["in a circle of three", {}, [set(v0, b), set(v1, w), set(v2, ops.mul(a, 0.5))]],
    ["from views of each other", {}, [set(v0, ops.reverse(b, 0)), set(v1, ops.reverse(a, 1))]],
    ["from a view of itself", {}, [set(v0, ops.reverse(a, [0, 1]))]],
    ["from its own transpose", {}, [set(large, ops.transpose(s))]],
    ["from itself backwards", { s }, [set(large, ops.reverse(s, 0))]],
    ["from a row of itself", {}, [set(large, ops.add(s, ops.slice(s, [0], [1])))]],
    ["from its own transpose, in a scan", { flipped }, []],
    ["from a row of itself, in a scan", { shifted }, []],
    ["by a scan from weights", { ...fromWeights.outputs }, []],
    [
      "from a piece of itself",
      { sum: ops.sum(a) },
      [set(v0, ops.concat([ops.slice(a, [1]), ops.slice(x34, [0], [1])], 0))],
    ],
    ["from an input as it is", { x: x34 }, [set(v0, x34), set(v1, x34)]],
    ["from a constant", {}, [set(v0, ops.zeros([3, 4])), set(v1, ops.fill([3, 4], 0.5))]],
    ["to the same value", { y: ops.tanh(a) }, [set(v0, ops.tanh(a)), set(v1, ops.tanh(a))]],
    ["to what they were", {}, [set(v0, a), set(v1, ops.add(a, b))]],
    [
      "by a product with itself",
      { y: ops.sum(w, 0) },
      [set(v2, ops.tanh(ops.matMul(ops.matMul(w, w, false, true), w)))],
    ],
    ["by a recurrence from itself", { ...lstm.outputs }, [set(v0, h), set(v1, cell)]],
    ["by a recurrence, crosswise", { ...lstm.outputs, was: a }, [set(v0, cell), set(v1, h)]],
    ["by a recurrence that is differentiated", { dx }, [set(v0, h), set(v1, cell)]],
    ["by a scan from itself", { ...stepwise.outputs }, [set(v0, last0), set(v1, last1)]],
    ["by a scan, crosswise", { sum: ops.add(a, b) }, [set(v0, last1), set(v1, last0)]],
    [
      "of reductions of the new values",
      { y: ops.sum(ops.add(a, b)) },
      [set(v0, ops.add(a, b)), set(v1, ops.sub(a, b))],
    ],
  ] as [string, Graph["outputs"], Update[]][])("%s", async (name, outputs, updates) => {
    await agrees({ name, inputs, outputs, updates });
  });
});
