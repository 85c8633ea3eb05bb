import { describe, expect, it } from "vitest";
import { CharacterVocabulary, Vocabulary } from "../../src/data/index.js";
import {
  type Backend,
  generate,
  layers,
  type Model,
  type SamplingOptions,
  sequential,
  Tensor,
} from "../../src/index.js";

const inf = Number.POSITIVE_INFINITY;

/** A model whose probabilities are those of these logits, whatever it reads. */
async function fixed(logits: readonly number[], backend: Backend): Promise<Model> {
  const C = logits.length;
  const model = sequential(
    [
      layers.embedding({ inputDim: C, outputDim: 3, inputShape: [null] }),
      layers.gru({ units: 2, returnSequences: true }),
      layers.dense({ units: C, activation: "softmax" }),
    ],
    { backend, seed: 5 },
  );
  const weights = await model.getWeights();
  await model.setWeights(
    weights.map((w, i) =>
      i === weights.length - 1
        ? new Tensor(Float32Array.from(logits), [C], "float32")
        : new Tensor(new Float32Array(w.data.length), w.shape, "float32"),
    ),
  );
  return model;
}

/** Σ (observed − expected)² / expected, and for how many classes. */
function chiSquare(observed: readonly number[], probabilities: readonly number[]): number {
  const count = observed.reduce((a, b) => a + b, 0);
  return observed.reduce((sum, n, i) => {
    const expected = count * (probabilities[i] ?? 0);
    return expected === 0 ? (n === 0 ? sum : inf) : sum + (n - expected) ** 2 / expected;
  }, 0);
}

const softmax = (logits: readonly number[]) => {
  const most = Math.max(...logits);
  const total = logits.reduce((sum, x) => sum + Math.exp(x - most), 0);
  return logits.map((x) => Math.exp(x - most) / total);
};

/** What is kept of probabilities, by the definitions. */
function kept(
  logits: readonly number[],
  { temperature = 1, topK = inf, topP = 1 }: SamplingOptions,
): number[] {
  const p = softmax(logits.map((x) => x / temperature));
  const order = p.map((_, i) => i).sort((a, b) => (p[b] ?? 0) - (p[a] ?? 0));
  const among = order.slice(0, topK);
  const mass = among.reduce((sum, i) => sum + (p[i] ?? 0), 0);
  let reached = 0;
  const chosen = among.filter((i) => {
    const enough = reached >= topP;
    reached += (p[i] ?? 0) / mass;
    return !enough;
  });
  const total = chosen.reduce((sum, i) => sum + (p[i] ?? 0), 0);
  return p.map((x, i) => (chosen.includes(i) ? x / total : 0));
}

const logits = [0.3, -1.2, 2.1, 0.9, -3, 1.4, 0.1];
const rows = 512;

async function drawn(model: Model, options: SamplingOptions, calls = 16): Promise<number[]> {
  const session = await model.session({ rows });
  const counts = Array<number>(logits.length).fill(0);
  for (let call = 0; call < calls; call++) {
    const ids = await session.sample(new Tensor(new Int32Array(rows), [rows], "int32"), options);
    for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
  }
  return counts;
}

export function samplingContract(make: () => Promise<Backend>): void {
  describe("sampling", () => {
    // 22.46: what chi-square of six degrees of freedom exceeds once in a thousand times.
    it.each<[string, SamplingOptions]>([
      ["as the model says", {}],
      ["temperature 0.5", { temperature: 0.5 }],
      ["temperature 2", { temperature: 2 }],
      ["topK 3", { topK: 3 }],
      ["topP 0.7", { topP: 0.7 }],
      ["topK 4, topP 0.8, temperature 1.5", { topK: 4, topP: 0.8, temperature: 1.5 }],
      ["topK of more than there are", { topK: 100 }],
      ["topP 1", { topP: 1 }],
    ])("draws each id with its probability: %s", async (_, options) => {
      const counts = await drawn(await fixed(logits, await make()), { ...options, seed: 12 });
      expect(chiSquare(counts, kept(logits, options))).toBeLessThan(22.46);
    });

    it("draws independently in rows and in calls", async () => {
      const model = await fixed([0, 0], await make());
      const session = await model.session({ rows });
      const x = new Tensor(new Int32Array(rows), [rows], "int32");
      const [a, b] = [await session.sample(x, { seed: 3 }), await session.sample(x, { seed: 3 })];
      const pairs = [0, 0, 0, 0];
      a.forEach((id, i) => {
        const pair = 2 * id + (b[i] ?? 0);
        pairs[pair] = (pairs[pair] ?? 0) + 1;
      });
      // 16.27: the same for three degrees of freedom.
      expect(chiSquare(pairs, [0.25, 0.25, 0.25, 0.25])).toBeLessThan(16.27);
    });

    it("takes the likeliest at temperature 0, with topK 1 and with a small topP", async () => {
      const model = await fixed(logits, await make());
      const likeliest = [0, 0, rows, 0, 0, 0, 0];
      for (const options of [{ temperature: 0 }, { topK: 1 }, { topP: 1e-3 }])
        expect(await drawn(model, options, 1)).toEqual(likeliest);
    });

    it("follows from the seed and goes on from a snapshot", async () => {
      const model = await fixed(logits, await make());
      const draw = async (seed: number) => {
        const session = await model.session();
        const ids: number[] = [];
        for (let i = 0; i < 30; i++) ids.push(...(await session.sample([i % 7], { seed })));
        return { ids, session };
      };
      const one = await draw(2 ** 40 + 1);
      expect((await draw(2 ** 40 + 1)).ids).toEqual(one.ids);
      expect((await draw(1)).ids).not.toEqual(one.ids);
      const other = await model.session();
      other.restore(JSON.parse(JSON.stringify(one.session.snapshot())));
      await model.ready();
      expect(other.sampleSync([1], { seed: 7 })).toEqual(await one.session.sample([1], { seed: 7 }));
    });

    it("takes logits as they are, and the last step of a chunk", async () => {
      const backend = await make();
      const model = sequential([layers.lambda({ call: (x) => x, inputShape: [null, 3] })], { backend });
      const session = await model.session({ rows: 2 });
      const chunk = [
        [
          [9, 0, 0],
          [0, 9, 0],
        ],
        [
          [0, 0, 9],
          [0, 0, 9],
        ],
      ];
      expect([...(await session.sample(chunk, { temperature: 0 }))]).toEqual([1, 2]);
    });

    it("refuses options that make no sense", async () => {
      const session = await (await fixed(logits, await make())).session();
      for (const wrong of [
        { temperature: -1 },
        { topK: 0 },
        { topK: 1.5 },
        { topP: 0 },
        { topP: 1.1 },
        { seed: 0.5 },
      ])
        await expect(session.sample([0], wrong)).rejects.toThrow(
          `session.sample: received ${Object.keys(wrong)[0]}`,
        );
    });
  });

  describe("generate", () => {
    const vocabulary = CharacterVocabulary.fromTexts(["abcdefg"]);
    const all = async (texts: AsyncIterable<string>) => {
      const pieces: string[] = [];
      for await (const text of texts) pieces.push(text);
      return pieces;
    };

    it("writes a character at a time, the same for a seed", async () => {
      const model = await fixed(logits, await make());
      const options = { model, vocabulary, prompt: "abc", length: 40, seed: 8 };
      const pieces = await all(generate(options));
      expect(pieces).toHaveLength(40);
      expect(pieces.every((piece) => /^[a-g]$/.test(piece))).toBe(true);
      expect(await all(generate(options))).toEqual(pieces);
      expect(await all(generate({ ...options, seed: 9 }))).not.toEqual(pieces);
      expect((await all(generate({ ...options, temperature: 0, length: 5 }))).join("")).toBe("ccccc");
    });

    it("writes what the model's own predictions say, from its states", async () => {
      const backend = await make();
      const model = sequential(
        [
          layers.embedding({ inputDim: 7, outputDim: 4, inputShape: [null] }),
          layers.lstm({ units: 9, recurrentInitializer: "glorotUniform" }),
          layers.dense({ units: 7, kernelInitializer: "randomNormal", activation: "softmax" }),
        ],
        { backend, seed: 3 },
      );
      await model.setWeights(
        (await model.getWeights()).map(
          ({ data, shape }) =>
            new Tensor(
              data.map((x) => 8 * x),
              shape,
              "float32",
            ),
        ),
      );
      const text = (
        await all(generate({ model, vocabulary, prompt: "ab", length: 12, temperature: 0 }))
      ).join("");
      let ids = [...vocabulary.encode("ab")];
      for (const character of text) {
        const [best = -1] = (
          await model.predictClasses(new Tensor(Int32Array.from(ids), [1, ids.length], "int32"))
        ).data;
        expect(vocabulary.decode([best])).toBe(character);
        ids = [...ids, best];
      }
      expect(new Set(text).size).toBeGreaterThan(1);
    });

    it("writes words, and reads one-hot rows", async () => {
      const backend = await make();
      const words = new Vocabulary(["to", "be", "or"], { padding: null, unknown: null });
      const model = sequential(
        [layers.simpleRNN({ units: 3, inputShape: [null, 3] }), layers.dense({ units: 3 })],
        {
          backend,
          seed: 1,
        },
      );
      const pieces = await all(generate({ model, vocabulary: words, prompt: "to be", length: 6, seed: 1 }));
      expect(pieces).toHaveLength(6);
      expect(pieces.every((piece) => /^ (to|be|or)$/.test(piece))).toBe(true);
      await expect(all(generate({ model, vocabulary: words, prompt: "not" }))).rejects.toThrow(
        'the token "not"',
      );
      await expect(all(generate({ model, vocabulary: words, prompt: " " }))).rejects.toThrow(
        "one character or word",
      );
    });

    it("ends when its signal aborts", async () => {
      const abort = new AbortController();
      const texts = generate({
        model: await fixed(logits, await make()),
        vocabulary,
        prompt: "a",
        signal: abort.signal,
      });
      await texts.next();
      abort.abort(new Error("enough"));
      await expect(texts.next()).rejects.toThrow("enough");
    });
  });
}
