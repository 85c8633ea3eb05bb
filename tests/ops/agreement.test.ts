import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dtype, TypedArray } from "../../src/dtype.js";
import * as ops from "../../src/graph/build.js";
import type { Graph, StateVariable, SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { gradients, vjp } from "../../src/passes/autodiff.js";
import { compile } from "../../src/plan/compile.js";
import { layoutState } from "../../src/plan/state.js";
import type { Backend } from "../../src/runtime/backend.js";
import { refusal } from "../arrays.js";
import { execute, zerosOf } from "../execute.js";
import { hashName, uniform } from "../golden/load.js";
import { backendOf, instructionSets } from "../kernels/harness.js";
import { interpret, known, type Values } from "../reference.js";
import { B, bindings, type Case, T, trace, Z } from "./case.js";
import { allCases } from "./cases.js";
import { expectAgreement } from "./compare.js";
import { recurrenceCase, recurrences } from "./scanCases.js";

/** What a case must give: its results, and the gradients of Σ w·y where those mean something. */
interface Expected {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, Values>>;
  readonly state: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Values>>;
}

function expected(title: string, c: Case): Expected {
  const { graph, inputs, state } = trace(title, c);
  const first = interpret(graph, { inputs, state, bindings });
  if (!c.differentiable) return { graph, inputs, state, outputs: first.outputs };

  const floats = Object.entries(graph.outputs).filter(([, y]) => y.dtype === "float32");
  const seeds = floats.map(([name, y]) => input(`w ${name}`, y.shape));
  const weights = floats.map(([name], i) => {
    const { shape } = known(first.outputs[name], name);
    const data = Float64Array.from(
      uniform(
        hashName(`w ${i}`),
        shape.reduce((p, d) => p * d, 1),
      ),
    );
    return [`w ${name}`, { shape, data }] as const;
  });
  const targets = graph.inputs.filter((x, i) => x.dtype === "float32" && c.operands[i]?.fixed !== true);
  const derivatives = vjp(
    floats.map(([, y], i) => [y, known(seeds[i], "seed")] as const),
    targets,
  );
  const named = derivatives.flatMap((g, i): [string, SymbolicTensor][] =>
    g === undefined ? [] : [[`d${i}`, g]],
  );
  const both: Graph = {
    ...graph,
    inputs: [...graph.inputs, ...seeds],
    outputs: { ...graph.outputs, ...Object.fromEntries(named) },
  };
  const given = { ...inputs, ...Object.fromEntries(weights) };
  return {
    graph: both,
    inputs: given,
    state,
    outputs: interpret(both, { inputs: given, state, bindings }).outputs,
  };
}

const native = ({ data }: Values, dtype: Dtype): TypedArray => {
  const array = zerosOf(dtype, data.length);
  array.set(data);
  return array;
};

const references = new Map<string, Expected>();

describe.each(instructionSets)("through passes and plan, %s agrees with the reference", (instructionSet) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await backendOf(instructionSet, 2);
  });
  afterAll(() => backend.close());

  it.each(allCases)("%s", async (title, c) => {
    const wanted = references.get(title) ?? expected(title, c);
    references.set(title, wanted);
    const { graph, inputs, outputs } = wanted;
    const ports = graph.inputs.map((x) => {
      const { name } = x.node.attrs as { name: string };
      return native(known(inputs[name], name), x.dtype);
    });
    const state = new Map<StateVariable, TypedArray>(
      c.state.map(([variable, data]) => {
        const array = zerosOf(variable.dtype, data.length);
        array.set(data);
        return [variable, array];
      }),
    );
    const executed = await execute(graph, ports, bindings, backend, state);
    for (const [name, values] of Object.entries(outputs)) {
      const { dtype } = known(graph.outputs[name], name);
      expectAgreement(name, known(executed.outputs[name], name), values, dtype, !c.differentiable);
    }
  });
});

describe("more axes than the kernels go through", () => {
  const x = input("x", Array(12).fill(2));
  const even = [0, 2, 4, 6, 8, 10];
  it.each([
    ["sum", ops.sum(x, even)],
    ["matMul", ops.matMul(ops.transpose(x), ops.transpose(x))],
    ["elementwise operation", ops.add(ops.transpose(x), x)],
  ])("are refused by name: %s", (where, y) => {
    const graph = { name: "many axes", inputs: [x], outputs: { y }, updates: [] };
    const error = refusal(() => compile(graph, { bindings: {}, layout: layoutState([]), vectorWidth: 8 }));
    expect(error.where).toBe(where);
    expect(error.expected).toContain("at most 8 axes");
  });
});

describe("what the fused recurrence cannot do", () => {
  it("is to count in 32 bits through a step whose rows lie too far apart", () => {
    const [rows, steps, features] = [64, 8192, 8192];
    const x = input("x", [rows, steps, features]);
    const [kernel, recurrentKernel] = [input("kernel", [features, 1]), input("recurrent kernel", [1, 1])];
    const { states } = ops.scan({
      sequences: [ops.transpose(x, [1, 0, 2])],
      states: [{ shape: [rows, 1], dtype: "float32" }],
      constants: [kernel, recurrentKernel],
      step: ([a], [h], [k, u]) => {
        const next = ops.add(
          ops.matMul(known(a, "x"), known(k, "k")),
          ops.matMul(known(h, "h"), known(u, "u")),
        );
        return { outputs: [next], states: [next] };
      },
      fused: {
        as: { cell: "simple", activation: "linear", recurrentActivation: "sigmoid" },
        bias: false,
        dropout: false,
      },
    });
    const [y] = gradients(ops.sum(known(states[0], "state")), [kernel]);
    const graph = {
      name: "far rows",
      inputs: [x, kernel, recurrentKernel],
      outputs: { y: known(y, "gradient") },
      updates: [],
    };
    const error = refusal(() => compile(graph, { bindings: {}, layout: layoutState([]), vectorWidth: 8 }));
    expect(error.message).toMatch(/rows lie 67108864 elements apart.*Use smaller tensors/);
  });

  it.each([
    ["steps", [Z, B], "[3, 0, 2]"],
    ["rows", [T, Z], "[0, 4, 2]"],
  ] as const)("is refused when the sizes are known: sequences without %s", (_, sizes, shape) => {
    const { graph } = trace(
      "none",
      recurrenceCase({ ...known(recurrences()[0], "recurrence"), sizes }, true),
    );
    const error = refusal(() => compile(graph, { bindings, layout: layoutState([]), vectorWidth: 8 }));
    expect(error.received).toContain(shape);
  });
});
