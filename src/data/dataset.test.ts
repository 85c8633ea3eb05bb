import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensor } from "../tensor.js";
import { readCsv } from "./csv.js";
import { Dataset } from "./dataset.js";
import type { DatasetPosition } from "./datasetStage.js";

const numbers = (count: number) => Dataset.fromIterable(Array.from({ length: count }, (_, i) => i));
/** One that asks for what came before again, asynchronous. */
const generated = (count: number) =>
  Dataset.fromGenerator(async function* () {
    for (let i = 0; i < count; i++) yield i;
  });
/** One that knows where it stands. */
const restorable = (count: number) =>
  Dataset.fromGenerator<number>((state) => {
    let at = typeof state === "number" ? state : 0;
    return {
      next: () => (at < count ? { done: false, value: at++ } : { done: true, value: undefined }),
      state: () => at,
    };
  });
const lists = async (dataset: Dataset<{ readonly array: () => unknown }>) =>
  (await dataset.toArray()).map((t) => t.array());

/** A number that tells values and their order. */
const mixed = (values: Iterable<number>, begin = 0) => {
  let sum = begin;
  for (const value of values) sum = 2 * sum + value;
  return sum % 1009;
};

describe("sources", () => {
  it("give rows of arrays, by name, sharing their memory", async () => {
    const x = tensor(Int32Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
    const rows = await Dataset.fromTensorSlices({ x: { ids: x }, y: [0.5, 1, 2] }).toArray();
    expect(rows.map((row) => row.x.ids.array())).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(rows[1]?.x.ids.data.buffer).toBe(x.data.buffer);
    expect(rows[1]?.x.ids.dtype).toBe("int32");
    expect(rows.map((row) => row.y.array())).toEqual([0.5, 1, 2]);
    expect(await lists(Dataset.fromTensorSlices([[1], [2]]))).toEqual([[1], [2]]);
    expect(() => Dataset.fromTensorSlices({ x, y: [1, 2] })).toThrow("received 3 rows in x, 2 rows in y");
    expect(() => Dataset.fromTensorSlices({})).toThrow("received no arrays");
    expect(() => Dataset.fromTensorSlices({ x: 3 })).toThrow("received 3 for x");
  });

  it("go through lists, sets, generators and promises again in each pass", async () => {
    const twice = async <T>(dataset: Dataset<T>) => {
      expect(await dataset.toArray()).toEqual(await dataset.toArray());
      return dataset.toArray();
    };
    expect(await twice(Dataset.fromIterable(new Set([3, 4])))).toEqual([3, 4]);
    expect(await twice(generated(3))).toEqual([0, 1, 2]);
    expect(await twice(Dataset.fromGenerator(() => [1, Promise.resolve(2)]))).toEqual([1, 2]);
    expect(await twice(Dataset.fromGenerator(async () => [5]))).toEqual([5]);
  });

  it("take rows of CSV files", async () => {
    const rows = Dataset.fromGenerator(() => readCsv(new Blob(['text,label\na,1\n"b,c",0\n'])));
    const dataset = rows.map(({ text = "", label }) => ({ x: text.length, y: Number(label) })).batch(2);
    expect((await dataset.toArray()).map(({ x, y }) => [x.array(), y.array()])).toEqual([
      [
        [1, 3],
        [1, 0],
      ],
    ]);
    expect(await rows.skip(1).toArray()).toEqual([{ text: "b,c", label: "0" }]);
  });

  it("refuse a second pass over what can be gone through once", async () => {
    const once = Dataset.fromIterable(
      (function* () {
        yield 1;
        yield 2;
      })(),
    );
    expect(await once.toArray()).toEqual([1, 2]);
    await expect(once.toArray()).rejects.toThrow(
      "dataset.fromIterable: received a second pass over an iterator that can be gone through once, expected a new iterator for each pass. Give what can be read again: a function that makes the iterator",
    );
    const same = [1][Symbol.iterator]();
    const hidden = Dataset.fromGenerator(() => ({ next: () => same.next() }));
    expect(await hidden.toArray()).toEqual([1]);
    await expect(hidden.toArray()).rejects.toThrow("a second pass");
    const stream = new Blob(["a\n"]).stream();
    expect(await Dataset.fromTextLines(stream).toArray()).toEqual(["a"]);
  });

  it("say what is no source", async () => {
    expect(() => Dataset.fromIterable(3 as never)).toThrow("Dataset.fromIterable: received 3");
    expect(() => Dataset.fromGenerator([1] as never)).toThrow("Dataset.fromGenerator: received a list");
    await expect(Dataset.fromGenerator(() => 3 as never).toArray()).rejects.toThrow(
      "dataset.fromGenerator, element 0: dataset.fromGenerator: received 3, expected an iterable or an iterator",
    );
  });

  it("close what they opened: at the end, on an error, and when left early", async () => {
    let open = 0;
    const dataset = Dataset.fromGenerator(function* () {
      open++;
      try {
        for (let i = 0; i < 9; i++) yield i;
      } finally {
        open--;
      }
    });
    const failing = dataset.map((i) => {
      if (i === 4) throw new Error("no");
      return i;
    });
    await dataset.shuffle(3).repeat(2).batch(2).prefetch(2).toArray();
    expect(open).toBe(0);
    for await (const _ of dataset.concatenate(dataset).prefetch(3)) break;
    expect(open).toBe(0);
    await expect(Dataset.zip([dataset, failing]).toArray()).rejects.toThrow("no");
    expect(open).toBe(0);
    await dataset.cache().take(3).toArray();
    expect(open).toBe(0);
  });
});

describe("operations", () => {
  it("have the elements that their names say", async () => {
    const ten = numbers(10);
    expect(await ten.map((i) => 2 * i).toArray()).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(
      await ten
        .map(async (i) => -i, { numParallelCalls: 4 })
        .take(3)
        .toArray(),
    ).toEqual([-0, -1, -2]);
    expect(await ten.filter((i) => i % 3 === 0).toArray()).toEqual([0, 3, 6, 9]);
    expect(await ten.filter(async (i) => i > 8).toArray()).toEqual([9]);
    expect(await ten.skip(7).concatenate(ten.take(2)).toArray()).toEqual([7, 8, 9, 0, 1]);
    expect(await ten.take(2).repeat(3).toArray()).toEqual([0, 1, 0, 1, 0, 1]);
    expect(await numbers(0).repeat().toArray()).toEqual([]);
    const zipped = Dataset.zip({ a: ten, b: ten.filter((i) => i > 7) });
    expect(await zipped.toArray()).toEqual([
      { a: 0, b: 8 },
      { a: 1, b: 9 },
    ]);
    expect(await Dataset.zip([ten.take(1), ten.skip(9)]).toArray()).toEqual([[0, 9]]);
  });

  it("know how many there are, where they can", () => {
    const ten = numbers(10);
    expect(ten.map(String).prefetch(1).shuffle(2).size).toBe(10);
    expect(ten.batch(4).size).toBe(3);
    expect(ten.batch(4, { dropRemainder: true }).size).toBe(2);
    expect(ten.skip(3).take(20).size).toBe(7);
    expect(ten.repeat().size).toBe(Number.POSITIVE_INFINITY);
    expect(ten.repeat(3).concatenate(ten).size).toBe(40);
    expect(ten.repeat().take(5).size).toBe(5);
    expect(generated(3).size).toBeUndefined();
    expect(ten.filter(() => true).size).toBeUndefined();
    expect(Dataset.zip([ten, ten.take(2)]).size).toBe(2);
  });

  it("run so many asynchronous calls at once, and keep the order", async () => {
    let [underWay, most] = [0, 0];
    const dataset = numbers(9).map(
      async (i) => {
        most = Math.max(most, ++underWay);
        await new Promise((resolve) => setTimeout(resolve, (9 - i) % 3));
        underWay--;
        return i;
      },
      { numParallelCalls: 3 },
    );
    expect((await dataset.batch(9).toArray())[0]?.array()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(most).toBe(3);
  });

  it("cache: make each element once, also when passes end early and overlap", async () => {
    let made = 0;
    const dataset = generated(20)
      .map((i) => {
        made++;
        return i;
      })
      .shuffle(5)
      .cache();
    expect(await dataset.take(3).toArray()).toHaveLength(3);
    const [one, other] = await Promise.all([dataset.toArray(), dataset.batch(3).toArray()]);
    expect(one.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(other.flatMap((t) => [...t.data])).toEqual(one);
    expect(await dataset.toArray({ seed: 9, epoch: 3 })).toEqual(one);
    expect(made).toBeLessThan(20 + 5 + 3 + 5); // what waited in the buffer when the first pass was left
    expect(dataset.size).toBe(20);
  });

  it("cache: goes on before an error in the first pass", async () => {
    let failing = true;
    const dataset = numbers(9)
      .map((i) => {
        if (i === 5 && failing) throw new Error("once");
        return i;
      })
      .cache();
    await expect(dataset.toArray()).rejects.toThrow("once");
    failing = false;
    expect(await dataset.toArray()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it("prefetch: make ahead so many and no more", async () => {
    let made = 0;
    const dataset = numbers(100)
      .map((i) => {
        made++;
        return i;
      })
      .prefetch(4);
    const pass = dataset.iterator();
    expect(made).toBe(0);
    await pass.next();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(made).toBe(5);
    await pass.return();
    expect(made).toBe(5);
  });

  it("refuse what they cannot do", () => {
    const ten = numbers(10);
    expect(() => ten.take(-1)).toThrow("dataset.take: received count: -1");
    expect(() => ten.shuffle(0)).toThrow("dataset.shuffle: received bufferSize: 0");
    expect(() => ten.shuffle(5, 0.5)).toThrow("seed: 0.5");
    expect(() => ten.batch(0)).toThrow("dataset.batch: received batchSize: 0");
    expect(() => ten.batch(2, { dropremainder: true } as never)).toThrow('Did you mean "dropRemainder"?');
    expect(() => ten.map("x" as never)).toThrow('dataset.map: received "x", expected a function');
    expect(() => ten.concatenate([1] as never)).toThrow(
      "dataset.concatenate: received a list, expected a Dataset",
    );
    expect(() => Dataset.zip({})).toThrow("Dataset.zip: received no datasets");
  });
});

describe("shuffle", () => {
  const passes = async (dataset: Dataset<number>, seed: number, epoch: number) =>
    dataset.toArray({ seed, epoch });

  it("takes every element once, in an order of its own for each seed and pass", async () => {
    const dataset = numbers(100).shuffle(30);
    const first = await passes(dataset, 1, 0);
    expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(await passes(dataset, 1, 0)).toEqual(first);
    expect(await passes(dataset, 1, 1)).not.toEqual(first);
    expect(await passes(dataset, 2, 0)).not.toEqual(first);
    // One comes at most a buffer before its place.
    first.forEach((element, place) => {
      expect(element - place).toBeLessThan(30);
    });
    const seeded = numbers(100).shuffle(30, 5);
    expect(await passes(seeded, 1, 0)).toEqual(await passes(seeded, 2, 0));
    expect(await passes(seeded, 1, 0)).not.toEqual(await passes(seeded, 1, 1));
  });

  it("puts every element at every place equally often, with a buffer for all", async () => {
    const [count, epochs] = [5, 4000];
    const seen = new Float64Array(count * count);
    const dataset = numbers(count).shuffle(count);
    for (let epoch = 0; epoch < epochs; epoch++)
      for (const [place, element] of (await passes(dataset, 3, epoch)).entries()) {
        const at = place * count + element;
        seen[at] = (seen[at] ?? 0) + 1;
      }
    const expected = epochs / count;
    const chi2 = seen.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // (count − 1)² = 16 degrees of freedom: the 0.1 % quantile of χ² is 39.3.
    expect(chi2).toBeLessThan(39.3);
  });

  it("draws anew in every repetition, and in every shuffle of a dataset", async () => {
    const [first, second] = [
      await numbers(20).shuffle(20).repeat(2).take(20).toArray({ seed: 1 }),
      await numbers(20).shuffle(20).repeat(2).skip(20).toArray({ seed: 1 }),
    ];
    expect(first).not.toEqual(second);
    const both = await Dataset.zip([numbers(20).shuffle(20), numbers(20).shuffle(20)]).toArray({ seed: 1 });
    expect(both.map(([a]) => a)).not.toEqual(both.map(([, b]) => b));
    // Two passes of two repetitions: four orders.
    const repeated = numbers(20).shuffle(20).repeat(2);
    const orders = new Set<string>();
    for (const epoch of [0, 1]) {
      const pass = await repeated.toArray({ seed: 1, epoch });
      orders.add(String(pass.slice(0, 20))).add(String(pass.slice(20)));
    }
    expect(orders.size).toBe(4);
  });
});

describe("batches", () => {
  it("stack numbers, lists, typed arrays and tensors, and keep dtypes", async () => {
    const dataset = numbers(5).map((i) => ({
      x: { ids: Int32Array.of(i, i + 1), values: [i / 2] },
      y: i,
      flag: i % 2 === 0,
      image: tensor(Uint8Array.of(i), [1, 1]),
    }));
    const [first, second] = await dataset.batch(3).toArray();
    expect(first?.x.ids.dtype).toBe("int32");
    expect(first?.x.ids.array()).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    expect(second?.x.values.array()).toEqual([[1.5], [2]]);
    expect(second?.y.array()).toEqual([3, 4]);
    expect(first?.flag.array()).toEqual([true, false, true]);
    expect(first?.image.shape).toEqual([3, 1, 1]);
    expect(first?.image.dtype).toBe("uint8");
    expect(await dataset.batch(3, { dropRemainder: true }).toArray()).toHaveLength(1);
  });

  it("pad at the ends to the longest, or to what is told, rounded up", async () => {
    const dataset = Dataset.fromIterable([
      { x: [[1, 2]], y: [1, 0] },
      {
        x: [
          [3, 4],
          [5, 6],
          [7, 8],
        ],
        y: [0, 1],
      },
    ]);
    const [longest] = await dataset.paddedBatch(2, { paddingValues: { x: -1 } }).toArray();
    expect(longest?.x.array()).toEqual([
      [
        [1, 2],
        [-1, -1],
        [-1, -1],
      ],
      [
        [3, 4],
        [5, 6],
        [7, 8],
      ],
    ]);
    const told = { lengthMultiple: 4, paddedShapes: { x: [null, 3], y: [2] } };
    const [rounded] = await dataset.paddedBatch(2, told).toArray();
    expect(rounded?.x.shape).toEqual([2, 4, 3]);
    expect(rounded?.x.array()).toEqual([
      [
        [1, 2, 0],
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 0],
      ],
      [
        [3, 4, 0],
        [5, 6, 0],
        [7, 8, 0],
        [0, 0, 0],
      ],
    ]);
    expect(rounded?.y.array()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    const empty = Dataset.fromIterable([{ x: new Float32Array(0) }, { x: Float32Array.of(1) }]);
    expect((await empty.paddedBatch(2, { paddingValues: 9 }).toArray())[0]?.x.array()).toEqual([[9], [1]]);
  });

  it("come from buckets of similar lengths", async () => {
    const dataset = Dataset.fromIterable([3, 1, 9, 4, 2, 5, 1, 12, 3]).map((length) => ({
      x: new Array(length).fill(length) as number[],
    }));
    const bucketed = dataset.bucketBySequenceLength(({ x }) => x.length, [3, 6], [2, 3, 1]);
    const batches = (await bucketed.toArray()).map(({ x }) => x.shape);
    expect(batches).toEqual([
      [1, 9],
      [2, 2],
      [3, 5],
      [1, 12],
      [1, 1],
      [1, 3],
    ]);
    expect(
      await dataset
        .bucketBySequenceLength(({ x }) => x.length, [3, 6], [2, 3, 1], { dropRemainder: true })
        .toArray(),
    ).toHaveLength(4);
  });

  it("say which element does not fit", async () => {
    const of = (...elements: readonly unknown[]) =>
      Dataset.fromIterable(elements).map((x) => x as { x: number[] });
    await expect(
      of({ x: [1] }, { x: [1] }, { x: [1, 2] })
        .batch(2)
        .toArray(),
    ).resolves.toHaveLength(2);
    await expect(
      of({ x: [1] }, { x: [1] }, { x: [1, 2] })
        .batch(3)
        .toArray(),
    ).rejects.toThrow(
      "dataset.batch: received x of shape [2] in element 2, and of [1] before, expected one shape in all elements of a batch. Use paddedBatch",
    );
    await expect(
      of({ x: [1] }, { y: [1] })
        .batch(2)
        .toArray(),
    ).rejects.toThrow(
      "dataset.batch: received the names y in the value of element 1, expected x, as in the elements before",
    );
    await expect(
      of({ x: [1] }, { x: Int32Array.of(1) })
        .batch(2)
        .toArray(),
    ).rejects.toThrow("x of dtype int32 in element 1, and of float32 before");
    await expect(of("text").batch(2).toArray()).rejects.toThrow(
      'dataset.batch: the value of element 0: received the text "text"',
    );
    await expect(
      of({ x: [1] }, { x: [[1]] })
        .paddedBatch(2)
        .toArray(),
    ).rejects.toThrow("x of shape [1, 1] in element 1, expected 1 axes");
    await expect(
      of({ x: [1, 2, 3] })
        .paddedBatch(2, { paddedShapes: { x: [2] } })
        .toArray(),
    ).rejects.toThrow("x of shape [3] in element 0, expected at most [2]");
    await expect(
      of({ x: [1] })
        .paddedBatch(2, { paddingValues: { z: 1 } as never })
        .toArray(),
    ).rejects.toThrow('dataset.paddedBatch: paddingValues: received the unknown array "z"');
    await expect(
      of({ x: [1] })
        .bucketBySequenceLength(() => Number.NaN, [2], 2)
        .toArray(),
    ).rejects.toThrow("received NaN for the length of element 0");
    expect(() => of().bucketBySequenceLength(() => 1, [2, 2], 2)).toThrow("bucketBoundaries: [2, 2]");
    expect(() => of().bucketBySequenceLength(() => 1, [2], [2])).toThrow("bucketBatchSizes: a list of 1");
  });
});

describe("errors of users' functions", () => {
  const boom = new Error("boom");
  it.each<[string, Dataset<unknown>, string]>([
    [
      "a generator that throws",
      Dataset.fromGenerator(function* () {
        yield 1;
        throw boom;
      }),
      "dataset.fromGenerator, element 1: received an error of the generator: boom",
    ],
    [
      "a promise that is rejected",
      Dataset.fromGenerator(() => [1, Promise.reject(boom)]),
      "dataset.fromGenerator, element 1",
    ],
    [
      "a function that cannot begin",
      Dataset.fromGenerator(() => Promise.reject(boom)),
      "dataset.fromGenerator, element 0",
    ],
    [
      "map",
      numbers(3).map((i) => {
        if (i === 2) throw boom;
        return i;
      }),
      "dataset.map, element 2: received an error of the function: boom",
    ],
    [
      "an asynchronous map",
      numbers(3)
        .map(
          async (i) => {
            if (i === 2) throw boom;
            return i;
          },
          { numParallelCalls: 3 },
        )
        .prefetch(2),
      "dataset.map, element 2",
    ],
    ["filter", numbers(3).filter(() => Promise.reject(boom)), "dataset.filter, element 0"],
    [
      "a length",
      numbers(3).bucketBySequenceLength(
        () => {
          throw boom;
        },
        [1],
        1,
      ),
      "dataset.bucketBySequenceLength, element 0",
    ],
  ])("come out with their place: %s", async (_, dataset, message) => {
    const error = await dataset
      .batch(2)
      .toArray()
      .catch((reason: unknown) => reason);
    expect(String(error)).toContain(message);
    expect((error as Error).cause).toBe(boom);
  });

  it("end the pass", async () => {
    const pass = numbers(3)
      .map((i) => {
        if (i === 1) throw boom;
        return i;
      })
      .iterator();
    await pass.next();
    await expect(pass.next()).rejects.toThrow("boom");
    expect(await pass.next()).toEqual({ done: true, value: undefined });
  });
});

describe("positions", () => {
  /** Datasets over numbers, of up to five operations. */
  const source = fc
    .tuple(fc.constantFrom(numbers, generated, restorable), fc.integer({ min: 0, max: 40 }))
    .map(
      ([make, count]) =>
        () =>
          make(count),
    );
  type Operation = (dataset: Dataset<number>) => Dataset<number>;
  const small = fc.integer({ min: 1, max: 9 });
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    fc.constant<Operation>((d) => d.map((i) => 3 * i + 1)),
    small.map<Operation>((n) => (d) => d.map(async (i) => i + n, { numParallelCalls: n })),
    small.map<Operation>((n) => (d) => d.filter((i) => i % (n + 1) !== 0)),
    fc.integer({ min: 1, max: 50 }).map<Operation>((n) => (d) => d.shuffle(n)),
    small.map<Operation>((n) => (d) => d.shuffle(n, 11)),
    small.map<Operation>((n) => (d) => d.prefetch(n)),
    small.map<Operation>((n) => (d) => d.take(3 * n)),
    small.map<Operation>((n) => (d) => d.skip(n)),
    fc.integer({ min: 0, max: 3 }).map<Operation>((n) => (d) => d.repeat(n)),
    fc.constant<Operation>((d) => d.cache()),
    small.map<Operation>((n) => (d) => d.concatenate(numbers(n).shuffle(3))),
    small.map<Operation>(
      (n) => (d) => Dataset.zip([d, numbers(3 * n).shuffle(4)]).map(([a, b]) => a + 100 * b),
    ),
    small.map<Operation>((n) => (d) => d.batch(n).map(({ data }) => mixed(data))),
    fc.tuple(small, small).map<Operation>(
      ([n, m]) =>
        (d) =>
          d
            .map((i) => ({ x: new Array(1 + (Math.abs(i) % 7)).fill(i) as number[] }))
            .bucketBySequenceLength(({ x }) => x.length, [3, 5], [n, m, 2], { lengthMultiple: 2 })
            .map(({ x }) => mixed(x.data, x.size)),
    ),
  );
  const pipeline = fc.tuple(source, fc.array(operation, { maxLength: 5 })).map(
    ([make, operations]) =>
      () =>
        operations.reduce((dataset, apply) => apply(dataset), make()),
  );

  it("restored anywhere, in another process, give the same rest, and the same positions", async () => {
    await fc.assert(
      fc.asyncProperty(pipeline, fc.nat(30), fc.integer(), fc.nat(3), async (make, count, seed, epoch) => {
        const whole = await make().toArray({ seed, epoch });
        const pass = make().iterator({ seed, epoch });
        const first: number[] = [];
        for (let i = 0; i < count; i++) {
          const { done, value } = await pass.next();
          if (done === true) break;
          first.push(value);
        }
        const saved = JSON.stringify(pass.state());
        expect(saved.length).toBeLessThan(4000);
        await pass.return();
        const again = make().iterator(JSON.parse(saved) as DatasetPosition);
        expect(JSON.stringify(again.state())).toBe(saved);
        const rest: number[] = [];
        for await (const element of again) rest.push(element);
        expect([...first, ...rest]).toEqual(whole);
      }),
      { numRuns: 400 },
    );
  });

  it("save a position of a restored pass as well as of one from the beginning", async () => {
    await fc.assert(
      fc.asyncProperty(pipeline, fc.nat(9), fc.nat(9), async (make, a, b) => {
        const whole = await make().toArray({ seed: 1 });
        let [position, taken] = [{ seed: 1, epoch: 0 } as Partial<DatasetPosition>, 0];
        for (const count of [a, b]) {
          const pass = make().iterator(position);
          for (let i = 0; i < count; i++) if ((await pass.next()).done !== true) taken++;
          position = pass.state();
          await pass.return();
        }
        expect(await make().toArray(position)).toEqual(whole.slice(taken));
      }),
      { numRuns: 200 },
    );
  });

  it("do not hang on how far is prefetched", async () => {
    await fc.assert(
      fc.asyncProperty(pipeline, fc.array(operation, { maxLength: 2 }), small, async (make, then, depth) => {
        const apply = (dataset: Dataset<number>) => then.reduce((d, op) => op(d), dataset);
        const plain = await apply(make()).toArray({ seed: 4, epoch: 1 });
        expect(await apply(make().prefetch(depth)).toArray({ seed: 4, epoch: 1 })).toEqual(plain);
      }),
      { numRuns: 200 },
    );
  });

  it("of a shuffle cost a few buffers, wherever it stands, where the source knows where it stands", async () => {
    const [count, buffer] = [20_000, 100];
    let read = 0;
    const dataset = Dataset.fromGenerator<number>((state) => {
      let at = typeof state === "number" ? state : 0;
      return {
        next: () => {
          read++;
          return at < count ? { done: false, value: at++ } : { done: true, value: undefined };
        },
        state: () => at,
      };
    }).shuffle(buffer);
    const pass = dataset.iterator({ seed: 1 });
    for (let i = 0; i < 15_000; i++) await pass.next();
    const saved = pass.state();
    expect(JSON.stringify(saved).length).toBeLessThan(200);
    read = 0;
    const again = dataset.iterator(saved);
    expect((await again.next()).value).toBe((await pass.next()).value);
    // 100 · (1 + ln 100) ≈ 560 on average
    expect(read).toBeLessThan(2000);
  });

  it("are refused where they are of another dataset, or none", async () => {
    const state = numbers(5).shuffle(2).iterator().state();
    expect(() => numbers(5).batch(2).iterator(state)).toThrow(
      'dataset.iterator: batch: received a position in "shuffle", expected a position that a dataset of the same operations gave',
    );
    expect(() => numbers(5).iterator({ at: "x" } as never)).toThrow('at: "x"');
    expect(() => numbers(5).iterator({ seed: 0.5 })).toThrow("seed: 0.5");
    const pass = numbers(50).shuffle(9).iterator();
    for (let i = 0; i < 40; i++) await pass.next();
    await expect(numbers(20).shuffle(9).toArray(pass.state())).rejects.toThrow(
      "fewer elements than there were when the position was saved",
    );
  });
});

describe("the event loop", () => {
  it("turns during long passes, whatever they do", async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const busy = (i: number) => {
      const end = performance.now() + 0.2;
      while (performance.now() < end);
      return i;
    };
    await numbers(300)
      .map(busy)
      .filter((i) => i < 0)
      .toArray();
    await Dataset.fromGenerator(function* () {
      for (let i = 0; i < 300; i++) yield busy(i);
    })
      .shuffle(50)
      .toArray();
    clearInterval(timer);
    expect(turns).toBeGreaterThan(6);
  });

  it("answers overlapping calls in their order", async () => {
    const pass = numbers(3)
      .map(async (i) => i)
      .iterator();
    const all = await Promise.all([pass.next(), pass.next(), pass.next(), pass.next()]);
    expect(all.map(({ value }) => value)).toEqual([0, 1, 2, undefined]);
  });
});
