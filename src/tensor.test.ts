import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dtype } from "./dtype.js";
import { ones, Tensor, type TensorLike, tensor, toTensor, zeros } from "./tensor.js";

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
    [
      "ragged rows",
      () => tensor([[1, 2], [3]]),
      /a list of 1 at depth 1 of the nested lists, expected a list of 2/,
    ],
    ["a row where a number should be", () => tensor([1, [2]]), /a list of 1 at depth 1 .*expected a number/],
    [
      "a wrong number of elements",
      () => tensor(new Float32Array(5), [2, 3]),
      /5 elements for shape \[2, 3\], expected 6/,
    ],
    ["a negative size", () => zeros([2, -1]), /shape \[2, -1\], expected whole numbers of 0 or more/],
    [
      "another kind of array",
      () => tensor(new Float64Array(2) as unknown as TensorLike),
      /a Float64Array, expected a Float32Array/,
    ],
    [
      "a dtype the array cannot hold",
      () => tensor(new Float32Array(2), [2], "int32"),
      /a Float32Array as data for dtype int32, expected Int32Array data/,
    ],
    ["fractions in int32", () => tensor([1.5], [1], "int32"), /the value 1.5 for dtype int32/],
    ["256 in uint8", () => tensor([256], [1], "uint8"), /the value 256 for dtype uint8/],
    ["2 in bool", () => tensor(Uint8Array.of(0, 2), [2], "bool"), /the value 2 for dtype bool/],
    ["text", () => tensor(["a"] as unknown as TensorLike), /the value a, expected numbers or booleans/],
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

  it("shows only the edges of large tensors", () => {
    const t = tensor(Float32Array.from({ length: 2000 }, (_, i) => i));
    expect(String(t)).toBe("Tensor float32 [2000]\n[   0    1    2 … 1997 1998 1999]");
    expect(String(zeros([1000, 1000])).split("\n")).toHaveLength(8);
  });
});
