import { setFlagsFromString } from "node:v8";
import { describe, expect, it } from "vitest";
import { bitsOf, describeBackend } from "./backend.contract.js";

setFlagsFromString("--experimental-wasm-relaxed-simd"); // behind this flag in Node 20

for (const instructionSet of ["simd128", "relaxed-simd"]) {
  for (const threads of [1, 2]) {
    describeBackend(`wasm ${instructionSet}, threads ${threads}`, {
      backend: "wasm",
      instructionSet,
      threads,
    });
  }
}

describe("the number of threads", () => {
  it.each(["simd128", "relaxed-simd"])(
    "does not change a bit of the result on %s",
    async (instructionSet) => {
      const one = await bitsOf({ backend: "wasm", instructionSet, threads: 1 });
      for (const threads of [2, 3]) {
        expect(await bitsOf({ backend: "wasm", instructionSet, threads })).toEqual(one);
      }
    },
  );
});
