import { type Model, Tensor } from "rondo";
import type { Findings } from "rondo/recipe";
import { cellValues, classification, gates, type Section } from "rondo/report";

/** Units of a layer whose gates can be told apart in a picture. */
const mostUnits = 128;

/**
 * How well a model compiled with the metric accuracy tells the classes of the test samples apart.
 *
 * @param test x [N, height, width] pictures from 0 to 1, y [N, C] one-hot
 * @param seen what the model gets of pictures; default: themselves
 */
export async function classified(
  model: Model,
  test: { readonly x: Tensor; readonly y: Tensor },
  seen: (pictures: Tensor) => Tensor = (pictures) => pictures,
): Promise<Findings> {
  const { x, y } = test;
  const given = seen(x);
  const probabilities = await model.predict(given, { batchSize: 1000 });
  const [testLoss = Number.NaN, testAccuracy = Number.NaN] = await model.evaluate(given, y, {
    batchSize: 1000,
    verbose: 0,
  });
  return {
    figures: { testAccuracy, testLoss },
    sections: [classification(y, probabilities, { images: x }), ...(await gatesOf(model, first(x), seen))],
  };
}

/** The first of some pictures, [1, height, width]. */
function first({ data, shape }: Tensor): Tensor<"float32"> {
  const size = shape.slice(1);
  const pixels = size.reduce((a, b) => a * b, 1);
  return new Tensor(Float32Array.from(data.subarray(0, pixels)), [1, ...size], "float32");
}

/** What goes on in the first recurrent layer while it reads a picture; nothing where it has very many units. */
async function gatesOf(
  model: Model,
  picture: Tensor<"float32">,
  seen: (pictures: Tensor) => Tensor,
): Promise<readonly Section[]> {
  const values = await cellValues(model, seen(picture));
  const units = values[0]?.values.h?.shape[2] ?? 0;
  if (units > mostUnits) return [];
  const note = "The first recurrent layer, while it reads the first test sample step by step.";
  return [gates(values, { note, picture: new Tensor(picture.data, picture.shape.slice(1), "float32") })];
}
