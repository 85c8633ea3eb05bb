import fc from "fast-check";
import { File, FS, ready } from "h5wasm";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { sizeOf } from "../tensor.js";
import { type FileArray, type FileDtype, fileArrayTypes } from "./arrayTypes.js";
import { type FileGroup, type Placed, readHdf5, writeHdf5 } from "./hdf5.js";

vi.hoisted(() => {
  console.error = () => undefined; // HDF5 writes there what it refuses
});

beforeAll(() => ready);

/** A file as other programs might write it. */
function made(fill: (file: File) => void): Uint8Array {
  const file = new File("/made.h5", "w");
  fill(file);
  file.close();
  const bytes = FS?.readFile("/made.h5");
  FS?.unlink("/made.h5");
  if (bytes === undefined) throw new Error("h5wasm has no file system");
  return bytes;
}

const arrayOf = (dtype: FileDtype, shape: readonly number[], value: number): FileArray => {
  const data = new fileArrayTypes[dtype](sizeOf(shape));
  const bytes = new Uint8Array(data.buffer);
  for (let i = 0; i < bytes.length; i++) bytes[i] = dtype === "bool" ? i & 1 : value + i;
  return { dtype, shape, data };
};

/** Every array by its path. */
function* arraysIn({ groups, arrays }: FileGroup, at = ""): Generator<[string, FileArray]> {
  for (const [name, array] of arrays) yield [at + name, array];
  for (const [name, group] of groups) yield* arraysIn(group, `${at}${name}/`);
}

describe("writeHdf5", () => {
  it("writes arrays of every type and shape for readHdf5 to read; bool as uint8", async () => {
    const array = fc
      .tuple(
        fc.constantFrom(...(Object.keys(fileArrayTypes) as FileDtype[])),
        fc.array(fc.nat({ max: 3 }), { maxLength: 4 }),
        fc.nat({ max: 255 }),
      )
      .map((args) => arrayOf(...args));
    const file = fc.dictionary(fc.stringMatching(/^[a-z0-9_]{1,3}$/), array, { maxKeys: 12 });
    await fc.assert(
      fc.asyncProperty(file, file, async (a, b) => {
        const placed: Placed[] = [
          ...Object.entries(a).map(([name, array]) => ({ path: `a/b/${name}`, ...array })),
          ...Object.entries(b).map(([name, array]) => ({ path: `c/${name}`, ...array })),
        ];
        const read = new Map(arraysIn(await readHdf5(await writeHdf5([], placed), "a file")));
        const expected = placed.map(({ path, dtype, ...rest }) => [
          path,
          { dtype: dtype === "bool" ? "uint8" : dtype, ...rest },
        ]);
        expect(read).toEqual(new Map(expected as [string, FileArray][]));
      }),
      { numRuns: 40 },
    );
  });

  it("makes groups, and gives them names, in any script", async () => {
    const names = [
      ["vars", "sequential"],
      ["layers/dense/vars", "Wörter 言葉"],
      ["layers/dense_1/vars", ""],
      ["layers/lstm", undefined],
    ] as const;
    const { groups } = await readHdf5(await writeHdf5(names, []), "a file");
    expect(groups.get("vars")?.attributes.get("name")).toBe("sequential");
    const layers = groups.get("layers")?.groups;
    expect([...(layers?.keys() ?? [])]).toEqual(["dense", "dense_1", "lstm"]);
    expect(layers?.get("dense")?.groups.get("vars")?.attributes.get("name")).toBe("Wörter 言葉");
    expect(layers?.get("dense_1")?.groups.get("vars")?.attributes.get("name")).toBe("");
    expect(layers?.get("lstm")?.attributes.size).toBe(0);
  });

  it("gives the same bytes at any time, and leaves the clock and the file system as they were", async () => {
    const { now } = Date;
    const entries = FS?.readdir("/");
    const write = () => writeHdf5([["a", "b"]], [{ path: "a/0", ...arrayOf("float32", [2, 2], 1) }]);
    const first = await write();
    Date.now = () => now() + 10_000;
    try {
      expect(await write()).toEqual(first);
    } finally {
      Date.now = now;
    }
    const one = arrayOf("int8", [1], 1);
    for (const second of ["a", "a/0"]) {
      const twice = [
        { path: "a", ...one },
        { path: second, ...one },
      ];
      await expect(writeHdf5([], twice)).rejects.toThrow(/write HDF5: received a, which HDF5 does not take/);
    }
    expect(Date.now).toBe(now);
    expect(FS?.readdir("/")).toEqual(entries);
  });
});

describe("readHdf5", () => {
  it("reads compressed arrays, other floats, and attributes", async () => {
    const bytes = made((file) => {
      const data = Float64Array.from({ length: 100 }, (_, i) => i / 3);
      file.create_dataset({ name: "doubles", data, shape: [10, 10], chunks: [4, 4], compression: 9 });
      file.create_attribute("keras_version", "2.4.0");
      file.create_attribute("layer_names", ["dense", "lstm"]);
      file.create_attribute("count", 3);
    });
    const { arrays, attributes } = await readHdf5(bytes, "a file");
    expect(arrays.get("doubles")).toEqual({
      dtype: "float32",
      shape: [10, 10],
      data: Float32Array.from({ length: 100 }, (_, i) => i / 3),
    });
    expect(Object.fromEntries(attributes)).toEqual({
      keras_version: "2.4.0",
      layer_names: ["dense", "lstm"],
      count: 3,
    });
  });

  it.each<[string, (file: File) => void, RegExp]>([
    [
      "texts",
      (file) => file.create_dataset({ name: "t", data: ["a"] }),
      /elements of kind string and \d bytes as t/,
    ],
    [
      "links to other files",
      (file) => file.create_external_link("/etc/passwd", "/", "x"),
      /a link to another file.* as x/,
    ],
    ["links to nothing", (file) => file.create_soft_link("/absent", "gone"), /a link to .*nothing, as gone/],
    [
      "groups in a circle",
      (file) => file.create_group("a").create_hard_link("/a", "a"),
      /groups more than 64 deep/,
    ],
    [
      "arrays far larger than the file",
      (file) =>
        file
          .create_dataset({
            name: "big",
            data: Float32Array.of(1),
            maxshape: [null],
            chunks: [1024],
            compression: 1,
          })
          .resize([2 ** 33]),
      /arrays of 34359738368 bytes in a file of much less.*Do not trust/,
    ],
  ])("refuses %s", async (_, fill, message) => {
    await expect(readHdf5(made(fill), "a file")).rejects.toThrow(message);
    expect(FS?.analyzePath("/file.h5").exists).toBe(false);
  });
});
