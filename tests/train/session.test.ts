import { describe } from "vitest";
import { backendOf, instructionSets } from "../kernels/harness.js";
import { sessionContract } from "./session.contract.js";

describe.each(instructionSets)("models on %s", (instructionSet) => {
  sessionContract(() => backendOf(instructionSet, instructionSet.includes("simd") ? 1 : 2));
});
