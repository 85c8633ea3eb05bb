import { describe, expect, it } from "vitest";
import { CharacterVocabulary } from "../../src/data/index.js";
import { generate, layers, sequential, Tensor } from "../../src/index.js";
import { backendOf, instructionSets } from "../kernels/harness.js";
import { samplingContract } from "./sampling.contract.js";
import { sessionContract } from "./session.contract.js";

describe.each(instructionSets)("models on %s", (instructionSet) => {
  const make = () => backendOf(instructionSet, instructionSet.includes("simd") ? 1 : 2);
  sessionContract(make);
  samplingContract(make);
});

describe("a text", () => {
  it("is the same on all backends for a seed", async () => {
    const vocabulary = CharacterVocabulary.fromTexts(["the quick brown fox jumps over the lazy dog"]);
    const texts = new Set<string>();
    for (const instructionSet of instructionSets) {
      const backend = await backendOf(instructionSet);
      const model = sequential(
        [
          layers.embedding({ inputDim: vocabulary.size, outputDim: 8, inputShape: [null] }),
          layers.lstm({ units: 16, returnSequences: true }),
          layers.dense({ units: vocabulary.size, activation: "softmax" }),
        ],
        { backend, seed: 2 },
      );
      const weights = await model.getWeights();
      await model.setWeights(
        weights.map(
          ({ data, shape }) =>
            new Tensor(
              data.map((x) => 4 * x),
              shape,
              "float32",
            ),
        ),
      );
      let text = "";
      for await (const piece of generate({
        model,
        vocabulary,
        prompt: "the ",
        seed: 6,
        topP: 0.9,
        length: 60,
      }))
        text += piece;
      texts.add(text);
    }
    const [text = ""] = texts;
    expect(texts.size).toBe(1);
    expect(new Set(text).size).toBeGreaterThan(8);
  });
});
