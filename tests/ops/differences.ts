// Gradients by central finite differences in float64 (Nocedal & Wright, "Numerical Optimization", §8.1).
import { expect } from "vitest";
import type { SymbolicTensor } from "../../src/graph/ir.js";
import { input } from "../../src/graph/ops/source.js";
import { vjp } from "../../src/passes/autodiff.js";
import { hashName, uniform } from "../golden/load.js";
import { evaluate, evaluator, known, type Run, type Values } from "../reference.js";

/** Elements of an operand that are moved: all of a small one, evenly spread ones of a large one. */
const most = 10;

/**
 * Holds the gradients of Σ w·y, with a different number w for every element of every result, against what moving each
 * operand does. The difference is exact to about h² f‴ + 10⁻¹⁶ f / h, so that 10⁻⁶ of the largest gradient separates a
 * right gradient from a wrong one; constants of the graph, such as 2/√π, are float32 and off by 6·10⁻⁸.
 */
export function expectGradients(
  results: readonly SymbolicTensor[],
  operands: readonly SymbolicTensor[],
  run: Run,
  tolerance = 1e-6,
): void {
  const ys = results.filter((y) => y.dtype === "float32");
  const weights = evaluate(ys, run).map(({ shape, data }, k): Values => {
    return { shape, data: Float64Array.from(uniform(hashName(`weights ${k}`), data.length)) };
  });
  const seeds = ys.map((y, k) => input(`weights ${k}`, y.shape));
  const gradients = vjp(
    ys.map((y, k) => [y, known(seeds[k], "seed")] as const),
    operands,
  );
  const inputs = { ...run.inputs, ...Object.fromEntries(weights.map((w, k) => [`weights ${k}`, w])) };
  const compute = evaluator(ys);
  const loss = (moved: Run): number =>
    compute(moved).reduce(
      (sum, y, k) => sum + y.data.reduce((s, v, i) => s + v * known(weights[k]?.data[i], "weight"), 0),
      0,
    );
  operands.forEach((operand, j) => {
    const { name } = operand.node.attrs as { name: string };
    const x = known(run.inputs?.[name], name);
    const given = gradients[j];
    const analytic =
      given === undefined ? undefined : known(evaluate([given], { ...run, inputs })[0], "gradient");
    if (given !== undefined) expect(given.shape, `the gradient of ${name}`).toEqual(operand.shape);
    const stride = Math.max(1, Math.ceil(x.data.length / most));
    const wanted: number[] = [];
    const actual: number[] = [];
    for (let i = 0; i < x.data.length; i += stride) {
      const at = known(x.data[i], "element");
      const h = 1e-5 * Math.max(1, Math.abs(at));
      const [above, below] = [at + h, at - h].map((value) =>
        loss({ ...run, inputs: { ...run.inputs, [name]: { shape: x.shape, data: x.data.with(i, value) } } }),
      );
      // What is no number must not matter, so that its gradient is 0.
      wanted.push(Number.isNaN(at) ? 0 : (known(above, "loss") - known(below, "loss")) / (2 * h));
      actual.push(analytic === undefined ? 0 : known(analytic.data[i], "gradient"));
    }
    const scale = 1 + Math.max(0, ...wanted.map(Math.abs));
    wanted.forEach((value, i) => {
      // Not toBeLessThan: a NaN must fail.
      const off = Math.abs(known(actual[i], "gradient") - value) / scale;
      expect(off < tolerance, `d/d${name}[${i * stride}]: ${actual[i]}, by differences ${value}`).toBe(true);
    });
  });
}
