import { type Mnist, mnist } from "rondo/datasets";
import { describe, expectTypeOf, it } from "vitest";
import { ones, type Tensor, tensor, zeros } from "../../src/tensor.js";

describe("the dtype of a tensor", () => {
  it("follows from the values", () => {
    expectTypeOf(tensor([[1, 2]])).toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(tensor(new Float32Array(2))).toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(tensor(new Int32Array(2), [2, 1])).toEqualTypeOf<Tensor<"int32">>();
    expectTypeOf(tensor(new Uint8Array(2))).toEqualTypeOf<Tensor<"uint8">>();
    expectTypeOf(tensor(new Uint8ClampedArray(2))).toEqualTypeOf<Tensor<"uint8">>();
    expectTypeOf(tensor(new Float64Array(2))).toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(tensor(new BigInt64Array(2))).toEqualTypeOf<Tensor<"int32">>();
    expectTypeOf(tensor(zeros([2], "bool"))).toEqualTypeOf<Tensor<"bool">>();
    expectTypeOf(tensor([true])).toEqualTypeOf<Tensor>();
  });

  it("is the one asked for", () => {
    expectTypeOf(tensor([1], undefined, "int32")).toEqualTypeOf<Tensor<"int32">>();
    expectTypeOf(ones([1])).toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(zeros([1], "uint8").data).toEqualTypeOf<Uint8Array>();
    // @ts-expect-error there is no such dtype
    zeros([1], "float64");
  });

  it("is kept by views", () => {
    expectTypeOf(zeros([2, 2], "int32").rows(0, 1).reshape([2])).toEqualTypeOf<Tensor<"int32">>();
  });
});

describe("mnist", () => {
  it("gives one-hot labels unless asked for class numbers", () => {
    expectTypeOf(mnist()).resolves.toEqualTypeOf<Mnist<"oneHot">>();
    expectTypeOf<Mnist["train"]["y"]>().toEqualTypeOf<Tensor<"float32">>();
    expectTypeOf(mnist({ labels: "index" })).resolves.toEqualTypeOf<Mnist<"index">>();
    expectTypeOf<Mnist<"index">["test"]["y"]>().toEqualTypeOf<Tensor<"int32">>();
    // @ts-expect-error a misspelt option
    mnist({ label: "index" });
  });
});
