import type { Model, Tensor } from "rondo";
import type { Findings } from "rondo/recipe";
import { classification } from "rondo/report";

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
    sections: [classification(y, probabilities, { images: x })],
  };
}
