import { describe, expect, it } from "vitest";
import { platform } from "#platform";
import { describeWith, nativeAddon } from "../machine.js";
import { bitsOf, describeBackend } from "./backend.contract.js";

describeWith(nativeAddon, "native", () => {
  const sets =
    nativeAddon.path === undefined
      ? []
      : platform
          .loadAddon()
          .instructionSets()
          .map(([name]) => name);
  describeBackend("by default", { backend: "native" });
  for (const instructionSet of sets) {
    for (const threads of [1, 3]) {
      describeBackend(`${instructionSet}, ${threads} threads`, {
        backend: "native",
        instructionSet,
        threads,
      });
    }
  }

  describe("the number of threads", () => {
    it.each(sets)("does not change a bit of the result on %s", async (instructionSet) => {
      const one = await bitsOf({ backend: "native", instructionSet, threads: 1 });
      for (const threads of [2, 3]) {
        expect(await bitsOf({ backend: "native", instructionSet, threads })).toEqual(one);
      }
    });
  });
});
