import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { camelCase } from "../config/config.js";
import { MinMaxScaler } from "./minMaxScaler.js";
import { StandardScaler } from "./standardScaler.js";

type Values = readonly (readonly (number | null)[])[];

const golden: {
  readonly cases: readonly {
    readonly scaler: "StandardScaler" | "MinMaxScaler";
    readonly options: object;
    readonly parts: readonly Values[];
    readonly learned: Readonly<Record<string, readonly (number | null)[]>>;
    readonly x: Values;
    readonly transformed: Values;
    readonly y: Values;
    readonly inverted: Values;
  }[];
} = JSON.parse(
  readFileSync(new URL("../../tests/golden/preprocessing/scalers.json", import.meta.url), "utf8"),
);

const classes = { StandardScaler, MinMaxScaler };
const withNaN = (values: Values) => values.map((row) => row.map((value) => value ?? Number.NaN));

/** Results are float32: one unit in the last place of the largest value that went in, and of the result. */
function expectNear(actual: Iterable<number>, expected: readonly number[], scale: number): void {
  const values = [...actual];
  expect(values.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) {
    if (Number.isNaN(value)) expect(values[i]).toBeNaN();
    else
      expect(Math.abs((values[i] ?? Number.NaN) - value), `${values[i]} for ${value}`).toBeLessThanOrEqual(
        2 ** -23 * Math.max(Math.abs(value), scale),
      );
  }
}

describe.each(
  golden.cases.map((one, i) => ({ name: `${i}: ${one.scaler} ${JSON.stringify(one.options)}`, one })),
)("scikit-learn's $name", ({ one }) => {
  const options = Object.fromEntries(
    Object.entries(one.options).map(([key, value]) => [camelCase(key), value]),
  );
  const fitted = () => {
    const scaler = new classes[one.scaler](options);
    for (const part of one.parts) scaler.partialFit(withNaN(part));
    return scaler;
  };

  it("learns the same", () => {
    const scaler = fitted();
    const learned: Readonly<Record<string, readonly number[]>> =
      scaler instanceof StandardScaler
        ? { mean_: scaler.mean, var_: scaler.variance, scale_: scaler.scale, n_samples_seen_: scaler.count }
        : { data_min_: scaler.dataMin, data_max_: scaler.dataMax };
    for (const [key, values] of Object.entries(one.learned))
      expectNear(learned[key] ?? [], withNaN([values]).flat(), 0);
  });

  it("transforms the same, and back, also after it was saved", () => {
    for (const scaler of [fitted(), classes[one.scaler].fromJSON(JSON.stringify(fitted()))]) {
      expectNear(scaler.transform(withNaN(one.x)).data, withNaN(one.transformed).flat(), 1e-6);
      expectNear(scaler.inverseTransform(withNaN(one.y)).data, withNaN(one.inverted).flat(), 1e-6);
    }
  });
});

const value = fc.float({ min: -1000, max: 1000, noNaN: true });
const matrix = fc.integer({ min: 1, max: 4 }).chain((features) =>
  fc.array(
    fc.array(fc.oneof({ weight: 9, arbitrary: value }, fc.constant(Number.NaN)), {
      minLength: features,
      maxLength: features,
    }),
    {
      minLength: 1,
    },
  ),
);
const scalers = fc.constantFrom(
  () => new StandardScaler(),
  () => new StandardScaler({ withMean: false }),
  () => new MinMaxScaler(),
  () => new MinMaxScaler({ featureRange: [-3, 5] }),
);

describe("scalers", () => {
  it("take back what they did", () => {
    fc.assert(
      fc.property(matrix, scalers, (x, make) => {
        const scaler = make().fit(x);
        const again = scaler.inverseTransform(scaler.transform(x));
        for (const [i, expected] of x.flat().entries()) {
          if (Number.isNaN(expected)) expect(again.data[i]).toBeNaN();
          else expect(again.data[i]).toBeCloseTo(expected, 2);
        }
      }),
    );
  });

  it("learn the same from parts as from the whole", () => {
    fc.assert(
      fc.property(matrix, scalers, fc.nat(), (x, make, at) => {
        const cut = at % (x.length + 1);
        const [, ...parts] = [[], x.slice(0, cut), x.slice(cut)];
        const whole = make().fit(x);
        const joined = make();
        for (const part of parts) if (part.length > 0) joined.partialFit(part);
        const saved = (scaler: StandardScaler | MinMaxScaler) => Object.values(scaler.toJSON().config).flat();
        for (const [i, one] of saved(whole).entries())
          if (typeof one === "number") expect(saved(joined)[i]).toBeCloseTo(one, 6);
          else expect(saved(joined)[i]).toEqual(one);
      }),
    );
  });

  it("take sequences: every step is a row, whatever the number of axes", () => {
    const x = [
      [
        [1, 10],
        [2, 20],
      ],
      [
        [3, 30],
        [6, 40],
      ],
    ];
    const flat = x.flat();
    const scaler = new StandardScaler().fit(x);
    expect(scaler.mean).toEqual([3, 25]);
    expect(scaler.transform(x).shape).toEqual([2, 2, 2]);
    expect(scaler.transform(x).data).toEqual(new StandardScaler().fitTransform(flat).data);
    expect(
      scaler.fit([
        [0, 0],
        [2, 4],
      ]).mean,
    ).toEqual([1, 2]);
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      "to transform before it was fitted",
      () => new MinMaxScaler().transform([[1]]),
      /minMaxScaler.transform: received a scaler that has seen no data/,
    ],
    [
      "another number of features",
      () => new StandardScaler().fit([[1, 2]]).transform([[1]]),
      /1 features, shape \[1, 1\], expected 2/,
    ],
    [
      "another number of features in a further part",
      () => new StandardScaler().fit([[1, 2]]).partialFit([[1]]),
      /1 features/,
    ],
    ["one axis", () => new StandardScaler().fit([1, 2]), /reshape\(\[-1, 1\]\)/],
    [
      "infinite values",
      () =>
        new MinMaxScaler().fit([
          [1, 2],
          [3, Number.POSITIVE_INFINITY],
        ]),
      /Infinity in row 1, feature 1/,
    ],
    ["a range that goes down", () => new MinMaxScaler({ featureRange: [1, 0] }), /featureRange: \[1, 0\]/],
    [
      "JSON of another class",
      () => StandardScaler.fromJSON(new MinMaxScaler().toJSON()),
      /the class MinMaxScaler/,
    ],
    [
      "JSON of different features",
      () => MinMaxScaler.fromJSON({ class_name: "MinMaxScaler", config: { data_min: [1], data_max: [] } }),
      /1 for dataMin, 0 for dataMax/,
    ],
    [
      "JSON without what was learned",
      () => MinMaxScaler.fromJSON({ class_name: "MinMaxScaler", config: {} }),
      /no dataMin/,
    ],
    [
      "JSON that is no numbers",
      () => MinMaxScaler.fromJSON({ class_name: "MinMaxScaler", config: { data_min: ["x"], data_max: [1] } }),
      /dataMin/,
    ],
  ])("refuse %s", (_, act, message) => expect(act).toThrow(message));
});
