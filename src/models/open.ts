import type { Model } from "./model.js";
import type { LoadOptions } from "./options.js";
import type { FileSource } from "./saving.js";

/**
 * A model from a `.keras` file, of Rondo or of Keras 3: its layers and its weights.
 *
 * ```ts
 * const model = await loadModel("tagger.keras");
 * ```
 *
 * Inputs and outputs go by the names in the file where the model was made with names, else by those of its layers where it
 * has several.
 *
 * @param source a path (in Node), an address, the bytes or a Blob
 * @throws RondoError for another format, a damaged file, unknown layers, and weights that do not fit
 */
export async function loadModel(
  source: FileSource,
  options: LoadOptions = {},
): Promise<Model<string, string>> {
  const { readModel } = await import("./loading.js");
  return readModel(source, options);
}
