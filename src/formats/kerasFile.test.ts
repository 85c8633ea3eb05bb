import { readFileSync } from "node:fs";
import { File, FS, ready } from "h5wasm";
import { describe, expect, it } from "vitest";
import { RondoError } from "../errors.js";
import { Tensor } from "../tensor.js";
import type { FileArray } from "./arrayTypes.js";
import { kerasParts } from "./fileJob.js";
import { type KerasFile, readKerasFile, writeKerasFile } from "./kerasFile.js";
import { readZip, writeZip } from "./zip.js";

const golden = (file: string) => readFileSync(new URL(`../../tests/golden/files/${file}`, import.meta.url));

/** What h5py finds in the files; see generate_files.py. */
type Index = Readonly<
  Record<
    string,
    Readonly<
      Record<
        string,
        {
          readonly name: string;
          readonly variables: readonly { dtype: string; shape: readonly number[]; checksum: number }[];
        }
      >
    >
  >
>;
const index: Index = JSON.parse(golden("index.json").toString());

const checksum = ({ data }: FileArray) => {
  let sum = 0;
  for (const [i, value] of [...data].entries())
    if (Number.isFinite(Number(value))) sum += (i + 1) * Number(value);
  return sum;
};

/** Refused as `message` says. */
const expectRefused = async (given: Promise<unknown>, message: RegExp) => {
  const error = await given.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(RondoError);
  expect(String(error)).toMatch(message);
};

const one = { dtype: "float32", shape: [], data: Float32Array.of(1) } as const;
const metadata = { keras_version: "3.15.1", date_saved: "2026-01-02@03:04:05" };
const config = { class_name: "Sequential", config: { layers: [] } };

/** A .keras file with other parts. */
const archive = async (change: (parts: Record<string, Uint8Array>) => void) => {
  const bytes = await writeKerasFile({ metadata, config, groups: [["", { variables: [] }]] });
  const parts: Record<string, Uint8Array> = Object.fromEntries(
    readZip(bytes, Object.values(kerasParts), "a file"),
  );
  change(parts);
  return writeZip(parts);
};
const text = (text: string) => new TextEncoder().encode(text);

/** HDF5 of anything. */
async function weights(fill: (file: File) => void): Promise<Uint8Array> {
  await ready;
  const file = new File("/made.h5", "w");
  fill(file);
  file.close();
  return FS?.readFile("/made.h5") ?? new Uint8Array(0);
}

describe.each(Object.keys(index))("the file %s of Keras", (name) => {
  it("is read as h5py reads it, and written and read again is the same", async () => {
    const file = await readKerasFile(golden(`${name}.keras`), name);
    const read = Object.entries(index[name] ?? {});
    expect([...file.groups.keys()].sort()).toEqual(read.map(([path]) => path).sort());
    for (const [path, group] of read) {
      const found = file.groups.get(path);
      expect(found?.name, path).toBe(group.name);
      expect(found?.variables.map(({ name }) => name)).toEqual(group.variables.map((_, i) => String(i)));
      for (const [i, variable] of group.variables.entries()) {
        const array = found?.variables[i] ?? one;
        expect(array.shape, `${path} ${i}`).toEqual(variable.shape);
        expect(array.dtype, `${path} ${i}`).toBe(variable.dtype.replace(/^b?float\d+$/, "float32"));
        expect(checksum(array), `${path} ${i}`).toBeCloseTo(variable.checksum, 6);
      }
    }
    expect(file.metadata).toEqual({ keras_version: "3.15.1", date_saved: expect.any(String) });
    expect(file.config).toHaveProperty("config.name", name);

    const bytes = await writeKerasFile(file);
    expect(await readKerasFile(bytes)).toEqual(file);
  });
});

describe("readKerasFile", () => {
  it("reads what floats of two bytes cannot be rounded to: the least, the largest, NaN and infinity", async () => {
    const { groups } = await readKerasFile(golden("dtypes.keras"));
    const values = (path: string) =>
      groups.get(path)?.variables.map(({ data }) => [...data].map(Number)) ?? [];
    const [bfloat, half] = [values("layers/dense"), values("layers/dense_1")];
    expect(bfloat[0]).toEqual([2 ** -24, -(2 ** -15), 65536, -0, Number.POSITIVE_INFINITY, 0.333984375]);
    expect(bfloat[1]).toEqual([0.333984375, -2.5]);
    expect(half).toEqual([
      [2 ** -24, -(2 ** -15), 65504, -0],
      [Number.NaN, -2.5],
    ]);
  });

  it("does without metadata", async () => {
    const bytes = await archive((parts) => {
      delete parts[kerasParts.metadata];
    });
    expect(await readKerasFile(bytes)).toEqual({
      metadata: {},
      config,
      groups: new Map([["", { variables: [] }]]),
    });
  });

  it("finds the layers of Keras 2.13 where those of Keras 3 are", async () => {
    const old = await weights((file) => {
      const layer = file.create_group("_layer_checkpoint_dependencies").create_group("dense");
      layer.create_group("vars").create_dataset({ name: "0", data: Float32Array.of(1, 2) });
    });
    const { groups } = await readKerasFile(
      await archive((parts) => {
        parts[kerasParts.weights] = old;
      }),
    );
    expect([...groups.keys()]).toEqual(["layers/dense"]);
    expect(groups.get("layers/dense")?.variables[0]?.data).toEqual(Float32Array.of(1, 2));
  });

  it("reads numbers that JSON has not", async () => {
    const bytes = await archive((parts) => {
      parts[kerasParts.config] = text(
        '{"a": [NaN, -Infinity, {"b": Infinity}], "NaN": "a \\"NaN\\" Infinity"}',
      );
    });
    expect((await readKerasFile(bytes)).config).toEqual({
      a: ["NaN", "-Infinity", { b: "Infinity" }],
      NaN: 'a "NaN" Infinity',
    });
  });

  it.each<[string, () => Uint8Array | Promise<Uint8Array>, RegExp]>([
    [
      "an HDF5 file",
      () => weights(() => undefined),
      /read m: received an HDF5 file: a model \(.h5\) of Keras 1 or 2.*tf_keras\.models\.load_model/,
    ],
    [
      "a model.json of TensorFlow.js",
      () => text('{"format":"layers-model"}'),
      /read m: received a JSON file, such as the model\.json of TensorFlow\.js.*load_keras_model/,
    ],
    [
      "another format",
      () => text("not a zip archive, but a text"),
      /read m: received a file that starts with .*model\.save/,
    ],
    ["half a file", () => golden("graph.keras").subarray(0, 20_000), /read m: received .*truncated/],
    [
      "no bytes",
      () => new Float32Array(9) as unknown as Uint8Array,
      /read m: received a Float32Array, expected a Uint8Array/,
    ],
    [
      "a damaged variable",
      () => {
        const bytes = Uint8Array.from(golden("graph.keras"));
        bytes[30_000] = 1 ^ (bytes[30_000] ?? 0);
        return bytes;
      },
      /read model\.weights\.h5 in m: received data that does not fit its checksum/,
    ],
    [
      "no configuration",
      () =>
        archive((parts) => {
          delete parts[kerasParts.config];
        }),
      /read m: received a zip archive without config\.json, expected a \.keras file/,
    ],
    [
      "weights in numpy's format",
      () =>
        archive((parts) => {
          delete parts[kerasParts.weights];
          parts["model.weights.npz"] = text("");
        }),
      /read m: received weights as model\.weights\.npz/,
    ],
    [
      "a configuration that is no JSON object",
      () =>
        archive((parts) => {
          parts[kerasParts.config] = text("[1]");
        }),
      /read config\.json in m: received text that is no JSON object/,
    ],
    [
      "half an HDF5 file",
      () =>
        archive((parts) => {
          parts[kerasParts.weights] = (parts[kerasParts.weights] ?? new Uint8Array()).subarray(0, 200);
        }),
      /read model\.weights\.h5 in m: received bytes that are no HDF5 file, or half of one/,
    ],
    [
      "a variable that is not there",
      async () => {
        const lacking = await weights((file) => {
          const group = file.create_group("vars");
          for (const name of ["0", "2"]) group.create_dataset({ name, data: Float32Array.of(1) });
        });
        return archive((parts) => {
          parts[kerasParts.weights] = lacking;
        });
      },
      /read m: received no variable 1 in the model/,
    ],
  ])("refuses %s", async (_, bytes, message) => {
    await expectRefused(readKerasFile(await bytes(), "m"), message);
  });
});

describe("writeKerasFile", () => {
  const write = (groups: Parameters<typeof writeKerasFile>[0]["groups"]) =>
    writeKerasFile({ metadata, config, groups });

  it("takes tensors, and views on larger arrays; more than ten of them stay in order", async () => {
    const large = Float32Array.from({ length: 40 }, (_, i) => i);
    const variables = Array.from(
      { length: 12 },
      (_, i) => new Tensor(large.subarray(i, i + 6), [3, 2], "float32"),
    );
    const { groups } = await readKerasFile(
      await write(new Map([["layers/dense", { name: "d", variables }]])),
    );
    const read = groups.get("layers/dense")?.variables;
    expect(read?.map(({ data }) => data)).toEqual(variables.map(({ data }) => data));
    expect(large[0]).toBe(0); // it has not been handed over
  });

  it("gives the same bytes for the same content", async () => {
    const file: KerasFile = await readKerasFile(golden("graph.keras"));
    expect(await writeKerasFile(file)).toEqual(await writeKerasFile(file));
  });

  it("writes numbers that JSON has not as Python does, and names as they are", async () => {
    const a = [Number.NaN, Number.NEGATIVE_INFINITY, "Infinity", 1];
    const bytes = await writeKerasFile({
      metadata,
      config: { a, Infinity: 'a "NaN"', name: "NaN" },
      groups: [],
    });
    const part = readZip(bytes, [kerasParts.config], "a file").get(kerasParts.config);
    const written = '{"a":[NaN,-Infinity,Infinity,1],"Infinity":"a \\"NaN\\"","name":"NaN"}';
    expect(new TextDecoder().decode(part)).toBe(written);
  });

  it("does several at once", async () => {
    const written = await Promise.all(
      [1, 2, 3].map((n) => write([[`layers/dense_${n}`, { variables: [one] }]])),
    );
    const read = await Promise.all(written.map((bytes) => readKerasFile(bytes)));
    expect(read.flatMap(({ groups }) => [...groups.keys()])).toEqual([
      "layers/dense_1",
      "layers/dense_2",
      "layers/dense_3",
    ]);
  });

  it.each<[string, [string, { variables: FileArray[] }][], RegExp]>([
    [
      "a path twice",
      [
        ["a", { variables: [] }],
        ["a", { variables: [] }],
      ],
      /received the path "a" twice/,
    ],
    [
      "a path from the root",
      [["/a", { variables: [] }]],
      /received the path "\/a", expected a path of its own/,
    ],
    ["a path with an end", [["a/", { variables: [] }]], /received the path "a\/"/],
    ["a path upwards", [["a/../b", { variables: [] }]], /received the path "a\/\.\.\/b"/],
    ["a path through variables", [["a/vars/b", { variables: [] }]], /received the path "a\/vars\/b"/],
    [
      "a shape that does not fit",
      [["a", { variables: [one, { ...one, shape: [2] }] }]],
      /variable 1 of a: received a Float32Array of 1 elements as float32 of shape \[2\]/,
    ],
    [
      "other data",
      [["", { variables: [{ ...one, dtype: "int32" }] }]],
      /variable 0 of the model: received a Float32Array of 1 elements as int32.*1 elements in an Int32Array/,
    ],
    [
      "no dtype",
      [["", { variables: [{ ...one, dtype: "float64" as "float32" }] }]],
      /expected one of the dtypes float32, /,
    ],
  ])("refuses %s", async (_, groups, message) => {
    await expectRefused(write(groups), message);
  });
});
