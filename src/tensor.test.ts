import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dtype, NumericArray } from "./dtype.js";
import { ones, readingTensor, sizeOf, Tensor, type TensorLike, tensor, toTensor, zeros } from "./tensor.js";

describe("tensor", () => {
  it("reads nested lists", () => {
    const t = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(t.shape).toEqual([2, 3]);
    expect(t.dtype).toBe("float32");
    expect(t.data).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  it("reads booleans as bool and gives booleans back", () => {
    const t = tensor([[true], [false]]);
    expect(t.dtype).toBe("bool");
    expect(t.data).toEqual(Uint8Array.of(1, 0));
    expect(t.array()).toEqual([[true], [false]]);
  });

  it("reads a list of typed arrays as rows", () => {
    expect(tensor([Float32Array.of(1, 2), Float32Array.of(3, 4)]).array()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it("gives single values", () => {
    const t = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([t.get(0, 0), t.get(1, 0), t.get(1, 2)]).toEqual([1, 4, 6]);
    expect(tensor(7).get()).toBe(7);
    for (const wrong of [[], [0], [0, 3], [2, 0], [-1, 0], [0.5, 0], [0, 0, 0]])
      expect(() => t.get(...wrong)).toThrow("tensor.get: received the indices [");
  });

  it("is written to JSON as nested lists, and read back", () => {
    const t = tensor([
      [1.5, 2],
      [3, 4],
    ]);
    expect(JSON.stringify({ t })).toBe('{"t":[[1.5,2],[3,4]]}');
    expect(tensor(JSON.parse(JSON.stringify(t)) as number[][])).toEqual(t);
  });

  it("shares the memory of typed arrays", () => {
    const data = Int32Array.of(1, 2, 3, 4);
    const t = tensor(data, [2, 2]);
    expect(t.data).toBe(data);
    expect(t.dtype).toBe("int32");
    expect(tensor(t)).toBe(t);
    expect(tensor({ data, shape: [4] }).data).toBe(data);
  });

  it("makes scalars, empty tensors, zeros and ones", () => {
    expect(tensor(3).shape).toEqual([]);
    expect(tensor(3).array()).toBe(3);
    expect(tensor([]).shape).toEqual([0]);
    expect(zeros([2, 0, 3]).array()).toEqual([[], []]);
    expect(ones([2], "int32").data).toEqual(Int32Array.of(1, 1));
  });

  it("returns the nested lists it was made from", () => {
    const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(shapes, (shape) => {
        const size = shape.reduce((a, b) => a * b, 1);
        const t = tensor(
          Float32Array.from({ length: size }, (_, i) => i),
          shape,
        );
        const again = tensor(t.array());
        expect(again.shape).toEqual(shape);
        expect(again.data).toEqual(t.data);
      }),
    );
  });

  it.each<[string, () => unknown, RegExp]>([
    ["ragged rows", () => tensor([[1, 2], [3]]), /a list of 1 at \[1\], expected a list of 2, as at \[0\]/],
    ["a row where a number should be", () => tensor([1, [2]]), /a list of 1 at \[1\], expected a number/],
    [
      "a wrong number of elements",
      () => tensor(new Float32Array(5), [2, 3]),
      /5 elements for shape \[2, 3\], expected 6/,
    ],
    ["a negative size", () => zeros([2, -1]), /shape \[2, -1\], expected whole numbers of 0 or more/],
    [
      "a dtype the array cannot hold",
      () => new Tensor(new Float32Array(2) as never, [2], "int32"),
      /a Float32Array as data for dtype int32, expected Int32Array data/,
    ],
    ["fractions in int32", () => tensor([1.5], [1], "int32"), /the value 1.5 for dtype int32/],
    ["256 in uint8", () => tensor([256], [1], "uint8"), /the value 256 for dtype uint8/],
    ["2 in bool", () => tensor(Uint8Array.of(0, 2), [2], "bool"), /the value 2 for dtype bool/],
    [
      "text",
      () => tensor(["a"] as unknown as TensorLike),
      /the text "a" at \[0\], expected numbers or booleans/,
    ],
    ["undefined", () => tensor(undefined as unknown as TensorLike), /the value undefined/],
    ["a function", () => tensor(zeros as never), /received the function zeros, expected numbers/],
    ["an unknown dtype", () => tensor([1], undefined, "float64" as Dtype), /tensor: .* dtype "float64"/],
    ["an unknown dtype of zeros", () => zeros([1], "float64" as Dtype), /zeros: .* dtype "float64"/],
    [
      "no dtype",
      () => new Tensor(Float32Array.of(1), [1], undefined as unknown as Dtype),
      /unknown dtype "undefined"/,
    ],
    ["a number as a shape", () => zeros(3 as never), /zeros: received 3 for a shape, expected a list/],
    ["a number as the shape of data", () => tensor([1, 2], 2 as never), /tensor: received 2 for a shape/],
    ["a number to reshape to", () => tensor([1, 2]).reshape(2 as never), /tensor.reshape: received 2/],
    [
      "a list without a dtype's data",
      () => new Tensor([1] as never, [1], "int32"),
      /a list as data for dtype/,
    ],
  ])("refuses %s", (_, make, message) => {
    expect(make).toThrow(message);
  });

  it.each<[string, unknown, string]>([
    ["a number in text", [[["20.7"]]], 'the text "20.7" at [0][0][0]'],
    ["names of classes", ["cat", "dog"], 'the text "cat" at [0]'],
    [
      "text among numbers",
      [
        [1, 2],
        [3, "x"],
      ],
      'the text "x" at [1][1]',
    ],
    ["text for a row", [[1, 2], "x"], 'the text "x" at [1]'],
    ["a bigint", [[1], [2n]], "the value 2n at [1][0]"],
    ["a first bigint", [2n], "the value 2n at [0]"],
    ["a hole", [[1, 2], new Array(2)], "the value undefined at [1][0]"],
    ["null", [[1, null]], "the value null at [0][1]"],
    ["null for a row", [[1], null], "the value null at [1]"],
    ["a date", [new Date(0)], "a Date at [0]"],
    ["a set", [new Set([1])], "a Set at [0]"],
    ["a set of rows", new Set([1]), "a Set"],
    ["what is like a list", { length: 1, 0: 1 }, "an object"],
    ["tensors in a list", [tensor([1]), tensor([2])], "a Tensor at [0]"],
    ["a promise", Promise.resolve(1), "a Promise"],
    ["a buffer", new ArrayBuffer(8), "an ArrayBuffer"],
    ["a view that is no typed array", new DataView(new ArrayBuffer(8)), "a DataView"],
    [
      "a short row far in",
      [
        [
          [1, 2],
          [3, 4],
        ],
        [[5, 6], [7]],
      ],
      "a list of 1 at [1][1], expected a list of 2, as at [0][0]",
    ],
    ["a short typed row", [Float32Array.of(1, 2), Float32Array.of(3)], "a list of 1 at [1]"],
    ["a number for a row", [[1, 2], 3], "the value 3 at [1], expected a list of 2, as at [0]"],
    ["a row that is not empty", [[], [], [1]], "a list of 1 at [2], expected a list of 0"],
    ["empty rows of another length", [[[]], [[], []]], "a list of 2 at [1], expected a list of 1"],
    ["numbers beyond float32", [1, -1e39], "the value -1e+39 for dtype float32 at [1]"],
    [
      "a Float64Array beyond float32",
      Float64Array.of(1, 2, 3.5e38),
      "the value 3.5e+38 for dtype float32 at [2]",
    ],
    ["large integers", Uint32Array.of(1, 2 ** 31), "the value 2147483648 for dtype int32 at [1]"],
    [
      "large bigints",
      BigInt64Array.of(1n, 2n ** 53n + 1n),
      "the value 9007199254740993 for dtype int32 at [1]",
    ],
  ])("names %s and its place", (_, values, received) => {
    expect(() => tensor(values as TensorLike)).toThrow(`tensor: received ${received}`);
  });

  it.each<[unknown, string]>([
    [["20.7"], "Number(value)"],
    [["cat"], "names.indexOf(name)"],
    [[" "], "missing"],
    [[undefined], "missing"],
    [[2n], "Number(value)"],
    [new Set([1]), "Array.from(values)"],
    [[tensor([1])], "tensor.array()"],
    [Promise.resolve(), "Await it first"],
    [new ArrayBuffer(8), "new Float32Array(buffer)"],
  ])("says what to do about %s", (values, fix) => {
    expect(() => tensor(values as TensorLike)).toThrow(fix);
  });

  it("keeps NaN and infinities, and rounds to the nearest float32", () => {
    const values = [
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      0.1,
      3.4028235677973362e38,
    ];
    const expected = Float32Array.from(values);
    expect(Number.isFinite(expected[4])).toBe(true); // just beyond the largest float32, and nearest to it
    expect(tensor(values).data).toEqual(expected);
    expect(tensor(Float64Array.from(values)).data).toEqual(expected);
    expect(tensor([Float64Array.from(values)]).data).toEqual(expected);
  });

  it.each<[NumericArray, Dtype, number[]]>([
    [Float64Array.of(0.5, -2), "float32", [0.5, -2]],
    [Int8Array.of(-128, 127), "int32", [-128, 127]],
    [Int16Array.of(-32768, 32767), "int32", [-32768, 32767]],
    [Uint16Array.of(0, 65535), "int32", [0, 65535]],
    [Uint32Array.of(0, 2 ** 24), "int32", [0, 2 ** 24]],
    [BigInt64Array.of(-(2n ** 31n), 5n), "int32", [-(2 ** 31), 5]],
    [BigUint64Array.of(0n, 5n), "int32", [0, 5]],
    [Uint8ClampedArray.of(0, 255), "uint8", [0, 255]],
    [Buffer.from([1, 2]), "uint8", [1, 2]],
  ])("reads %o as %s, also with a shape and in lists", (values, dtype, numbers) => {
    const t = tensor(values as TensorLike, [2, 1]);
    expect([t.dtype, t.shape, [...t.data]]).toEqual([dtype, [2, 1], numbers]);
    expect(Object.getPrototypeOf(t.data)).toBe(Object.getPrototypeOf(zeros([1], dtype).data));
    expect(toTensor("fit", { data: values, shape: [1, 2] }).array()).toEqual([numbers]);
    expect(toTensor("fit", [values, values]).array()).toEqual([numbers, numbers]);
  });

  it("converts to another dtype where every value fits", () => {
    expect(tensor(Uint8Array.of(0, 9), [2], "float32").data).toEqual(Float32Array.of(0, 9));
    expect(tensor(tensor([0, 9]), undefined, "int32").data).toEqual(Int32Array.of(0, 9));
    expect(tensor(Int8Array.of(0, 1), [2], "bool").array()).toEqual([false, true]);
    expect(() => tensor(Float32Array.of(0, 0.5), [2], "int32")).toThrow(
      "the value 0.5 for dtype int32 at [1]",
    );
    expect(() => tensor(Int32Array.of(256), [1], "uint8")).toThrow("the value 256 for dtype uint8");
    expect(() => tensor(Int8Array.of(2), [1], "bool")).toThrow("the value 2 for dtype bool");
    expect(() => tensor(Float32Array.of(Number.NaN), [1], "int32")).toThrow("the value NaN for dtype int32");
  });

  it("shares memory of another realm, of subclasses and of SharedArrayBuffers", () => {
    const foreign: Record<string, Float32Array> = runInNewContext(
      "({ whole: Float32Array.of(1, 2, 3), part: new Float32Array(8).fill(7).subarray(2, 5), shared: new Float32Array(new SharedArrayBuffer(12)) })",
    );
    for (const values of [...Object.values(foreign), new (class extends Float32Array {})(3)]) {
      for (const t of [
        tensor(values),
        new Tensor(values, [3], "float32"),
        tensor({ data: values, shape: [3] }),
      ]) {
        expect(Object.getPrototypeOf(t.data)).toBe(Float32Array.prototype);
        expect([...t.data]).toEqual([...values]);
        expect([t.data.buffer, t.data.byteOffset]).toEqual([values.buffer, values.byteOffset]);
      }
    }
    class Renamed extends Float64Array {
      override get [Symbol.toStringTag](): "Float64Array" {
        return "Float32Array" as "Float64Array";
      }
    }
    expect(tensor(Renamed.of(1, 2)).array()).toEqual([1, 2]);
    const ints = runInNewContext(
      "[Int32Array.of(1, 2), Float64Array.of(3, 4), [5, 6], BigInt64Array.of(7n, 8n)]",
    );
    expect(tensor(ints).array()).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7, 8],
    ]);
    expect(tensor(runInNewContext("Float64Array.of(1)")).dtype).toBe("float32");
  });

  it("reads lists longer than its stretches, with a pause for each", () => {
    for (const shape of [[200_001], [3, 70_000], [70_001, 2], [2, 3, 33_000], [40_000, 1, 3]]) {
      const whole = tensor(
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => i % 1021),
        shape,
      );
      const steps = readingTensor("fit", whole.array() as TensorLike);
      let pauses = 0;
      let step = steps.next();
      for (; step.done !== true; step = steps.next()) pauses++;
      expect(step.value.shape).toEqual(shape);
      expect(step.value.data.every((value, i) => value === whole.data[i])).toBe(true);
      expect(pauses).toBeGreaterThanOrEqual(Math.floor(whole.size / 70_000));
    }
    const ragged = Array.from({ length: 70_001 }, (_, i) => (i === 70_000 ? [1] : [1, 2]));
    expect(() => tensor(ragged)).toThrow("a list of 1 at [70000]");
  });

  it("reads lists that come with their shape", () => {
    expect(tensor({ data: [1, 2, 3, 4] as never, shape: [2, 2] }).array()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  const transferred = (): Tensor<"float32"> => {
    const values = tensor([1, 2]);
    structuredClone(values.data, { transfer: [values.data.buffer as ArrayBuffer] });
    return values;
  };
  it.each<[string, () => unknown, string]>([
    ["by tensor", () => tensor(transferred().data), "tensor"],
    ["in a list", () => tensor([transferred().data]), "tensor"],
    ["with a shape", () => tensor(transferred().data, [2]), "tensor"],
    ["by another operation", () => toTensor("fit", transferred()), "fit"],
    ["by new Tensor", () => new Tensor(transferred().data, [0], "float32"), "tensor"],
    ["by array", () => transferred().array(), "tensor.array"],
    ["by rows", () => transferred().rows(0, 1), "tensor.rows"],
    ["by reshape", () => transferred().reshape([1, 2]), "tensor"],
  ])("does not read memory that was transferred away, %s", (_, read, where) => {
    expect(read).toThrow(`${where}: received a Float32Array whose memory was transferred away`);
  });
});

describe("views", () => {
  const t = tensor(Float32Array.of(0, 1, 2, 3, 4, 5), [3, 2]);

  it("cuts rows out of the same memory", () => {
    expect(t.rows(1).array()).toEqual([
      [2, 3],
      [4, 5],
    ]);
    expect(t.rows(-1).array()).toEqual([[4, 5]]);
    expect(t.rows(0, 2).data.buffer).toBe(t.data.buffer);
    expect(t.rows(2, 1).shape).toEqual([0, 2]);
    expect(t.rows(0, 99).shape).toEqual([3, 2]);
    expect(() => tensor(1).rows()).toThrow(/rank 0/);
  });

  it("reshapes in place, working out one size", () => {
    expect(t.reshape([2, 3]).data).toBe(t.data);
    expect(t.reshape([-1, 1]).shape).toEqual([6, 1]);
    expect(() => t.reshape([4, -1])).toThrow(/divisible by 4/);
    expect(() => t.reshape([-1, -1])).toThrow(/shape/);
  });
});

describe("printing", () => {
  it("lines up columns", () => {
    expect(
      String(
        tensor([
          [1, -20],
          [300, 4],
        ]),
      ),
    ).toBe("Tensor float32 [2, 2]\n[[  1 -20]\n [300   4]]");
    expect(String(tensor([0.5, -1.25]))).toBe("Tensor float32 [2]\n[ 0.5000 -1.2500]");
    expect(String(tensor([1e-7, 1]))).toBe("Tensor float32 [2]\n[1.0000e-7 1.0000e+0]");
    expect(String(tensor([Number.NaN, 1]))).toBe("Tensor float32 [2]\n[NaN   1]");
    expect(String(tensor(2))).toBe("Tensor float32 []\n2");
    expect(String(tensor([]))).toBe("Tensor float32 [0]\n[]");
  });

  it("separates matrices by an empty line", () => {
    expect(String(zeros([2, 1, 1]))).toBe("Tensor float32 [2, 1, 1]\n[[[0]]\n\n [[0]]]");
  });

  it("prints many axes and many values", () => {
    const many = String(zeros([6, 6, 6, 6, 6, 6, 6]));
    expect(many.length).toBeLessThan(2000);
    expect(many.split("\n")[1]).toBe("[[[[[[[0 … 0]");
    expect(String(zeros([2000, 1, 1, 6]))).toContain("[[0 0 0 0 0 0]]");
    const wide = tensor(Float32Array.from({ length: 300_000 }, (_, i) => i / 7));
    expect(String(wide)).toContain("…");
    expect(wide.array()).toHaveLength(300_000);
  });

  it("shows only the edges of large tensors", () => {
    const t = tensor(Float32Array.from({ length: 2000 }, (_, i) => i));
    expect(String(t)).toBe("Tensor float32 [2000]\n[   0    1    2 … 1997 1998 1999]");
    expect(String(zeros([1000, 1000])).split("\n")).toHaveLength(8);
  });
});
