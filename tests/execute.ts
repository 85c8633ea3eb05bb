import { expect } from "vitest";
import type { Dtype, TypedArray } from "../src/dtype.js";
import type { Bindings, Graph, StateVariable } from "../src/graph/ir.js";
import { rootsOf, topological } from "../src/graph/ir.js";
import type { StateAttrs } from "../src/graph/ops/source.js";
import { compile } from "../src/plan/compile.js";
import { layoutState } from "../src/plan/state.js";
import type { Backend } from "../src/runtime/backend.js";

const arrays = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array, bool: Uint8Array } as const;

/** Zeros of so many elements. */
export const zerosOf = (dtype: Dtype, size: number): TypedArray => new arrays[dtype](size);

/** What a graph computed on a backend: outputs by name, and the state variables after the run. */
export interface Executed {
  readonly outputs: Readonly<Record<string, TypedArray>>;
  readonly state: ReadonlyMap<StateVariable, TypedArray>;
}

/** All state variables that a graph reads or writes. */
export function variablesOf(graph: Graph): StateVariable[] {
  const all = new Set<StateVariable>(graph.updates.map((u) => u.variable));
  for (const node of topological(rootsOf(graph))) {
    if (node.op.name === "state") all.add((node.attrs as StateAttrs).variable);
  }
  return [...all];
}

/** Compiles a graph, runs it on a backend (twice where it changes no state) and brings everything back. State starts from `initial`, or zeros. */
export async function execute(
  graph: Graph,
  inputs: readonly TypedArray[],
  bindings: Bindings,
  backend: Backend,
  initial: ReadonlyMap<StateVariable, TypedArray> = new Map(),
): Promise<Executed> {
  const variables = variablesOf(graph);
  const layout = layoutState(variables);
  const program = compile(graph, { bindings, layout, vectorWidth: backend.capabilities.vectorWidth });
  const memory = backend.allocate(Math.max(layout.bytes, 64));
  for (const [variable, data] of initial) {
    const offset = layout.offsets.get(variable);
    if (offset !== undefined) await memory.write(offset, data);
  }
  const executable = backend.load(program);
  const run = async (): Promise<TypedArray[]> => {
    const results = program.outputs.map((port) => zerosOf(port.dtype, port.size));
    await executable.run({ entry: "main", state: memory, inputs, outputs: results });
    return results;
  };
  const outputs = await run();
  // What changes no state gives the same again, from what the first run has left in the cache.
  if (graph.updates.length === 0) expect(await run()).toEqual(outputs);
  const state = new Map<StateVariable, TypedArray>();
  for (const variable of variables) {
    const data = zerosOf(
      variable.dtype,
      variable.shape.reduce((p, d) => p * d, 1),
    );
    await memory.read(layout.offsets.get(variable) ?? 0, data);
    state.set(variable, data);
  }
  return {
    outputs: Object.fromEntries(
      program.outputs.map((port, i) => [port.name, outputs[i] ?? zerosOf(port.dtype, 0)]),
    ),
    state,
  };
}
