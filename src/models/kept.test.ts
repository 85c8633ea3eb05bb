import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../config/config.js";
import { Tensor } from "../tensor.js";
import type { Kept } from "../train/kept.js";
import { difference } from "./difference.js";
import { pack, unpack } from "./kept.js";

/** Through a file: JSON as text, tensors by their numbers. */
function kept(value: Kept): Kept {
  const { json, tensors } = pack(value);
  return unpack(JSON.parse(JSON.stringify(json)) as Json, (index, dtype, shape) => {
    const found = tensors[index] as Tensor;
    expect([found.dtype, found.shape]).toEqual([dtype, shape]);
    return found;
  });
}

describe("what is kept", () => {
  it("comes back as it was, to the bit", () => {
    const leaf = fc.oneof(
      fc.double(),
      fc.integer(),
      fc.string(),
      fc.boolean(),
      fc.constantFrom<Kept>(
        undefined,
        null,
        -0,
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
      ),
      fc
        .float32Array({ maxLength: 4 })
        .map((data) => new Tensor(Float32Array.from(data), [data.length], "float32")),
      fc
        .int32Array({ minLength: 1, maxLength: 4 })
        .map((data) => new Tensor(Int32Array.from(data), [data.length, 1], "int32")),
    );
    const { tree } = fc.letrec<{ tree: Kept; node: Kept }>((tie) => ({
      tree: fc.oneof({ depthSize: "small" }, leaf, tie("node")),
      node: fc.oneof(
        fc.array(tie("tree"), { maxLength: 4 }),
        fc.dictionary(fc.oneof(fc.string(), fc.constantFrom("$", "__proto__")), tie("tree"), {
          maxKeys: 4,
          noNullPrototype: true,
        }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        expect(kept(value)).toStrictEqual(value);
      }),
    );
  });

  it("is a copy: what changes later does not change it", () => {
    const state = { losses: [1, 2] };
    const packed = pack(state);
    state.losses.push(3);
    expect(unpack(packed.json, () => new Tensor(new Float32Array(0), [0], "float32"))).toEqual({
      losses: [1, 2],
    });
  });
});

describe("difference", () => {
  it("names what differs by its path, and nothing else", () => {
    expect(difference({ a: [1, { b: 2 }], c: "x" }, { a: [1, { b: 2 }], c: "x" })).toEqual([]);
    expect(difference({ a: [1, { b: 2 }], c: "x" }, { a: [1, { b: 3 }], d: true })).toEqual([
      ["a[1].b", 2, 3],
      ["c", "x", null],
      ["d", null, true],
    ]);
    expect(difference([1], [1, 2], "list")).toEqual([["list", [1], [1, 2]]]);
  });
});
