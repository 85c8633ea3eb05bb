// Writes .keras files with the built library, for check_files.py to open: every file of `files/` read and written anew,
// and `dense.keras`, of which Keras has written nothing.
//
//     node tests/golden/write_files.mjs FOLDER
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readKerasFile, writeKerasFile } from "../../dist/formats/kerasFile.js";

const folder = process.argv[2];
const files = new URL("files/", import.meta.url);

const array = (shape, values) => ({ dtype: "float32", shape, data: Float32Array.from(values) });
const dense = await writeKerasFile({
  metadata: { keras_version: "3.15.1", date_saved: "2026-01-01@00:00:00" },
  config: {
    module: "keras",
    class_name: "Sequential",
    config: {
      name: "by_hand",
      layers: [
        { module: "keras.layers", class_name: "InputLayer", config: { batch_shape: [null, 3] } },
        {
          module: "keras.layers",
          class_name: "Dense",
          config: { name: "only", units: 2, activation: "relu" },
        },
      ],
    },
    build_config: { input_shape: [null, 3] },
    compile_config: { optimizer: "adam", loss: "mse" },
  },
  groups: [
    ["", { name: "by_hand", variables: [] }],
    [
      "layers/dense",
      { name: "only", variables: [array([3, 2], [1, -2, 3, -4, 5, -6]), array([2], [0.5, -0.5])] },
    ],
    [
      "optimizer",
      {
        name: "adam",
        variables: [
          { dtype: "int64", shape: [], data: BigInt64Array.of(5n) },
          array([], [0.25]),
          ...[1, 2].map((n) => array([3, 2], Array(6).fill(n))),
          ...[3, 4].map((n) => array([2], [n, n])),
        ],
      },
    ],
  ],
});
writeFileSync(join(folder, "dense.keras"), dense);
for (const name of readdirSync(files).filter((file) => file.endsWith(".keras"))) {
  writeFileSync(
    join(folder, name),
    await writeKerasFile(await readKerasFile(readFileSync(new URL(name, files)), name)),
  );
}
