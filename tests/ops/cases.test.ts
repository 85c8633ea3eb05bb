import { describe, expect, it } from "vitest";
import { atOnce } from "../../src/breather.js";
import { type Node, type SymbolicTensor, topological } from "../../src/graph/ir.js";
import type { ScanAttrs } from "../../src/graph/ops/scan.js";
import { verify } from "../../src/graph/verify.js";
import { vjp } from "../../src/passes/autodiff.js";
import { passes } from "../../src/passes/index.js";
import { definedOps, interpret } from "../reference.js";
import { bindings, trace } from "./case.js";
import { allCases } from "./cases.js";

/** Names of the ops that some values depend on, bodies included. */
function opsOf(roots: readonly SymbolicTensor[]): string[] {
  const inside = ({ attrs }: Node): string[] => {
    if (!("body" in attrs)) return [];
    const { body } = attrs as {
      readonly body: Pick<ScanAttrs["body"], "outputs"> & Partial<ScanAttrs["body"]>;
    };
    return opsOf([...body.outputs, ...(body.newStates ?? [])]);
  };
  return topological(roots).flatMap((node) => [node.op.name, ...inside(node)]);
}

describe("the table of cases", () => {
  it("reaches every op, the gradients' own ops included", () => {
    const reached = new Set(
      allCases.flatMap(([title, c]) => {
        const { graph } = trace(title, c);
        const roots = Object.values(graph.outputs);
        if (!c.differentiable) return opsOf(roots);
        const seeds = roots.filter((y) => y.dtype === "float32").map((y) => [y, y] as const);
        return opsOf([...roots, ...vjp(seeds, graph.inputs).filter((g) => g !== undefined)]);
      }),
    );
    expect([...reached].sort()).toEqual([...definedOps].sort());
  });

  it("has unique names, from which values follow", () => {
    const titles = allCases.map(([title]) => title);
    expect(titles.filter((title, i) => titles.indexOf(title) !== i)).toEqual([]);
  });

  it.each(allCases)("has a sound graph before and after every pass, of the same values: %s", (title, c) => {
    const { graph, inputs, state } = trace(title, c);
    verify(graph);
    // The reference holds every value against the shape and dtype that the ops declare.
    const { outputs } = interpret(graph, { inputs, state, bindings });
    expect(Object.keys(outputs).length).toBeGreaterThan(0);
    let rewritten = graph;
    for (const { name, pass } of passes) {
      rewritten = atOnce(pass(rewritten));
      verify(rewritten);
      expect(interpret(rewritten, { inputs, state, bindings }).outputs, name).toEqual(outputs);
    }
  });
});
