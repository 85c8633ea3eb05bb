import { Breather } from "../breather.js";
import { RondoError, valueText } from "../errors.js";
import { sizeOf, Tensor } from "../tensor.js";
import type { Measure } from "./measure.js";
import { type ClassWeights, largestOf, type Samples, scanned } from "./samples.js";

/**
 * Samples with the weights of their classes multiplied into their own. The class of a row is its class
 * number, or the largest entry of its last axis.
 *
 * @param classes how many there are, where y does not say it
 * @throws RondoError for weights that are no object of class numbers and numbers of 0 or more
 */
export async function weighClasses(
  where: string,
  samples: Samples,
  weights: ClassWeights,
  target: Measure["target"],
  classes?: number,
): Promise<Samples> {
  const { y, weight } = samples;
  // The last axis belongs to one class each where it holds one-hot rows or has size 1.
  const last = y.shape.at(-1) ?? 1;
  const holdsClasses = target === "classes" || target === "labels";
  const collapses = y.rank > 1 && (!holdsClasses || last === 1);
  const [leading, width] = collapses ? [y.shape.slice(0, -1), last] : [y.shape, 1];
  checkClassWeights(where, weights, width > 1 ? width : classes);
  const result = new Float32Array(sizeOf(leading));
  const perOwnWeight = weight === undefined ? 1 : result.length / weight.size;
  const breather = new Breather();
  for (let i = 0; i < result.length; i++) {
    const label = width === 1 ? (y.data[i] ?? 0) : largestOf(y.data, i * width, width);
    const own = weight?.data[Math.floor(i / perOwnWeight)] ?? 1;
    result[i] = (weights[Math.round(label)] ?? 1) * own;
    if (i % scanned === scanned - 1) await breather.tick();
  }
  return { ...samples, weight: new Tensor(result, leading, "float32") };
}

function checkClassWeights(where: string, weights: unknown, classes = Number.POSITIVE_INFINITY): void {
  const isObject = typeof weights === "object" && weights !== null && Symbol.iterator in weights === false;
  const wrong = isObject
    ? Object.entries(weights).find(
        ([label, w]) => !(/^\d+$/.test(label) && Number(label) < classes && Number.isFinite(w) && w >= 0),
      )
    : undefined;
  if (isObject && wrong === undefined) return;
  throw new RondoError({
    where,
    received: `classWeight: ${wrong === undefined ? valueText(weights) : `{ ${wrong[0]}: ${valueText(wrong[1])} }`}`,
    expected: `an object of class numbers${Number.isFinite(classes) ? ` below ${classes}` : ""} and weights of 0 or more`,
    fix: "Write for example classWeight: { 0: 1, 1: 5 }",
  });
}
