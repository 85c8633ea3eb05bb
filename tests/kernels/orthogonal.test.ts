import { describe, expect, test } from "vitest";
import { orthogonalWork } from "../../src/plan/sizes.js";
import { backendOf, expectSame, instructionSets, randomSource, runInstructions } from "./harness.js";

/** Gaussian numbers by Box and Muller. */
function gaussian(seed: number, count: number): Float32Array {
  const random = randomSource(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Float32Array.from({ length: count }, normal);
}

/** The factor Q of x [m, n] with R's diagonal positive, by Gram and Schmidt, twice, in float64. */
function twin(x: Float32Array, m: number, n: number): Float64Array {
  const columns = Array.from({ length: n }, (_, j) =>
    Float64Array.from({ length: m }, (_, i) => x[i * n + j] ?? 0),
  );
  const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  for (const [j, column] of columns.entries()) {
    for (const before of [...columns.slice(0, j), ...columns.slice(0, j)]) {
      const part = dot(before, column);
      before.forEach((value, i) => {
        column[i] = (column[i] ?? 0) - part * value;
      });
    }
    const size = Math.sqrt(dot(column, column));
    column.forEach((value, i) => {
      column[i] = value / size;
    });
  }
  return Float64Array.from({ length: m * n }, (_, k) => columns[k % n]?.[Math.floor(k / n)] ?? 0);
}

async function orthogonal(
  set: string,
  x: Float32Array,
  rows: number,
  cols: number,
  gain: number,
  threads = 1,
) {
  const work = new Float32Array(orthogonalWork(rows, cols));
  const at = (buffer: number) => ({ buffer, offset: 0 });
  const results = await runInstructions(
    await backendOf(set, threads),
    [x, new Float32Array(rows * cols), work],
    (encoder) => encoder.emit("orthogonal", { x: at(0), out: at(1), rows, cols, gain, work: at(2) }),
  );
  return results[1] ?? x;
}

const shapes = [
  [1, 1],
  [1, 7],
  [9, 1],
  [5, 5],
  [32, 33],
  [64, 256],
  [100, 70],
  [97, 97],
] as const;

describe.each(instructionSets)("orthogonal on %s", (set) => {
  test.each(shapes)("%i × %i is the Q of a QR decomposition", async (rows, cols) => {
    const [m, n] = [Math.max(rows, cols), Math.min(rows, cols)];
    const x = gaussian(m * n, m * n);
    const out = await orthogonal(set, x, rows, cols, 1.5);
    const q = twin(x, m, n);
    let worst = 0;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const got = (rows < cols ? out[j * m + i] : out[i * n + j]) ?? Number.NaN;
        worst = Math.max(worst, Math.abs(got / 1.5 - (q[i * n + j] ?? 0)));
      }
    }
    // The square matrix's condition number multiplies the rounding errors of Q.
    expect(worst).toBeLessThan(m === n ? 1e-3 : 1e-5);
  });

  test("its rows are orthonormal", async () => {
    const [rows, cols] = [130, 150];
    const out = await orthogonal(set, gaussian(1, rows * cols), rows, cols, 1);
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j <= i; j++) {
        let product = 0;
        for (let k = 0; k < cols; k++) product += (out[i * cols + k] ?? 0) * (out[j * cols + k] ?? 0);
        expect(Math.abs(product - (i === j ? 1 : 0))).toBeLessThan(1e-5);
      }
    }
  });

  test("the number of threads does not show", async () => {
    const x = gaussian(2, 300 * 200);
    const one = await orthogonal(set, x, 300, 200, 1);
    for (const threads of [2, 3]) expectSame(await orthogonal(set, x, 300, 200, 1, threads), one);
  });
});
