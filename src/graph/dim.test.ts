import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  add,
  bind,
  type Dim,
  divide,
  equal,
  floorDiv,
  mul,
  product,
  sameShape,
  shapeText,
  solve,
  sub,
  substitute,
  symbol,
  symbolsIn,
} from "./dim.js";

const names = ["B", "T", "T2", "t"] as const;
const bindings = fc.record(Object.fromEntries(names.map((name) => [name, fc.integer({ min: 0, max: 9 })])));

/** Polynomials of small degree with small coefficients. */
const polynomial: fc.Arbitrary<Dim> = fc.letrec<{ dim: Dim }>((tie) => ({
  dim: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.integer({ min: -4, max: 4 }).map((n): Dim => n),
    fc.constantFrom(...names).map((name): Dim => symbol(name)),
    fc.tuple(tie("dim"), tie("dim")).map(([a, b]) => add(a, b)),
    fc.tuple(tie("dim"), tie("dim")).map(([a, b]) => sub(a, b)),
    fc.tuple(tie("dim"), tie("dim")).map(([a, b]) => mul(a, b)),
  ),
})).dim;

const divisor = fc.integer({ min: 1, max: 6 });
/** The same, with quotients among the factors. */
const dim: fc.Arbitrary<Dim> = fc.oneof(
  { weight: 2, arbitrary: polynomial },
  fc
    .tuple(polynomial, polynomial, divisor, divisor)
    .map(([a, b, m, n]) => add(mul(a, floorDiv(b, m)), floorDiv(add(b, floorDiv(a, m)), n))),
);

const holds = <T>(arbitrary: fc.Arbitrary<T>, law: (x: T) => boolean): void =>
  fc.assert(fc.property(arbitrary, law), { numRuns: 200, seed: 7 });

const pair = fc.tuple(dim, dim);
const triple = fc.tuple(dim, dim, dim);

describe("sizes in canonical form", () => {
  it("add and multiply in any order and grouping", () => {
    holds(triple, ([a, b, c]) => {
      const laws: [Dim, Dim][] = [
        [add(a, b), add(b, a)],
        [mul(a, b), mul(b, a)],
        [add(add(a, b), c), add(a, add(b, c))],
        [mul(mul(a, b), c), mul(a, mul(b, c))],
        [mul(a, add(b, c)), add(mul(a, b), mul(a, c))],
      ];
      return laws.every(([x, y]) => equal(x, y));
    });
  });

  it("are unchanged by 0 and 1, and cancel", () => {
    holds(
      dim,
      (a) => equal(add(a, 0), a) && equal(mul(a, 1), a) && equal(mul(a, 0), 0) && equal(sub(a, a), 0),
    );
  });

  it("are numbers when no symbol is left, so that equality is equality of keys", () => {
    holds(pair, ([a, b]) => {
      const back = sub(add(a, b), b);
      return typeof back === typeof a && `${back}` === `${a}`;
    });
  });

  it("bind like arithmetic on numbers", () => {
    holds(fc.tuple(pair, bindings), ([[a, b], values]) => {
      const [x, y] = [bind(a, values), bind(b, values)];
      return (
        bind(add(a, b), values) === x + y &&
        bind(sub(a, b), values) === x - y &&
        bind(mul(a, b), values) === x * y
      );
    });
  });

  it("differ where some binding tells them apart", () => {
    holds(
      fc.tuple(pair, bindings),
      ([[a, b], values]) => !equal(a, b) || bind(a, values) === bind(b, values),
    );
  });
});

describe("divide", () => {
  it("undoes mul for every divisor but 0", () => {
    holds(pair, ([a, b]) => {
      const quotient = divide(mul(a, b), b);
      return equal(b, 0) ? quotient === undefined : quotient !== undefined && equal(quotient, a);
    });
  });

  it("is undone by mul where it is defined", () => {
    holds(pair, ([a, b]) => {
      const quotient = divide(a, b);
      return quotient === undefined || equal(mul(quotient, b), a);
    });
  });

  it("refuses what is not exact for every value of the symbols", () => {
    const [B, T] = [symbol("B"), symbol("T")];
    expect(divide(7, 2)).toBeUndefined();
    expect(divide(B, T)).toBeUndefined();
    expect(divide(mul(B, 3), 2)).toBeUndefined();
    expect(divide(add(B, 1), B)).toBeUndefined();
    expect(divide(add(B, 1), add(T, 1))).toBeUndefined();
  });

  it("divides by sums", () => {
    const [B, T] = [symbol("B"), symbol("T")];
    expect(`${divide(mul(mul(B, 6), add(T, 1)), mul(add(T, 1), 2))}`).toBe("3*B");
  });

  it("has no answer for 0 / 0", () => {
    expect(divide(0, 0)).toBeUndefined();
  });
});

describe("floorDiv", () => {
  const [B, T] = [symbol("B"), symbol("T")];

  it("binds like rounding down", () => {
    holds(fc.tuple(dim, divisor, bindings), ([a, n, values]) => {
      return bind(floorDiv(a, n), values) === Math.floor(bind(a, values) / n);
    });
  });

  it("undoes mul, and takes multiples out", () => {
    holds(fc.tuple(dim, dim, divisor), ([a, b, n]) => {
      return (
        equal(floorDiv(mul(a, n), n), a) && equal(floorDiv(add(a, mul(b, n)), n), add(floorDiv(a, n), b))
      );
    });
  });

  it("of a quotient is one quotient", () => {
    holds(fc.tuple(polynomial, divisor, divisor), ([a, m, n]) =>
      equal(floorDiv(floorDiv(a, m), n), floorDiv(a, m * n)),
    );
  });

  it("stays exact where one quotient would not be", () => {
    const halved = (times: number) => {
      let size: Dim = T;
      for (let i = 0; i < times; i++) size = floorDiv(add(size, 1), 2); // rounded up
      return size;
    };
    for (const times of [3, 60, 200])
      expect([1, 8, 9, 2 ** 50 + 1].map((T) => bind(halved(times), { T }))).toEqual(
        times === 3 ? [1, 1, 2, 2 ** 47 + 1] : [1, 1, 1, 1],
      );
  });

  it("is written shortly", () => {
    const all = [
      floorDiv(T, 2),
      floorDiv(sub(T, 2), 2),
      floorDiv(add(mul(T, 6), 7), 4),
      floorDiv(mul(T, B), 3),
      mul(floorDiv(add(T, 1), 2), B),
    ];
    expect(all.map(String)).toEqual([
      "floor(T/2)",
      "floor(T/2)-1",
      "floor((T+1)/2)+T+1",
      "floor(B*T/3)",
      "B*floor((T+1)/2)",
    ]);
  });

  it("divides where it is a factor", () => {
    const half = floorDiv(T, 2);
    expect(`${divide(mul(mul(half, B), 3), half)}`).toBe("3*B");
    expect(divide(half, T)).toBeUndefined();
  });
});

describe("symbols", () => {
  const [T, U] = [symbol("T"), symbol("U")];
  const half = floorDiv(add(T, 1), 2);

  it("are found within quotients", () => {
    expect([...symbolsIn(mul(half, U))].sort()).toEqual(["T", "U"]);
    expect([...symbolsIn(7)]).toEqual([]);
  });

  it("are replaced within quotients", () => {
    expect(`${substitute(mul(half, U), new Map<string, Dim>([["T", mul(U, 2)]]))}`).toBe("U*U");
    expect(substitute(half, new Map<string, Dim>([["T", 7]]))).toBe(4);
    expect(substitute(half, new Map())).toBe(half);
  });

  it("follow where they stand alone and nowhere else", () => {
    expect(solve(U, half)?.map(String)).toEqual(["U", "floor((T+1)/2)"]);
    expect(solve(half, 4)).toBeUndefined();
    expect(solve(mul(half, 2), T)).toBeUndefined();
    expect(solve(add(T, U), add(U, 3))).toEqual(["T", 3]);
    expect(solve(3, 4)).toBeUndefined();
  });
});

describe("shapes", () => {
  const B = symbol("B");
  it("print as in messages", () => {
    expect(shapeText([B, add(mul(B, -2), 28), 3])).toBe("[B, -2*B+28, 3]");
    expect(shapeText([sub(B, 1), sub(sub(2, B), symbol("T"))])).toBe("[B-1, -T-B+2]");
  });

  it("compare by axis and rank", () => {
    expect(sameShape([B, 3], [symbol("B"), 3])).toBe(true);
    expect(sameShape([B, 3], [B])).toBe(false);
    expect(sameShape([B, 3], [B, 4])).toBe(false);
    expect(sameShape([B], [3])).toBe(false);
  });

  it("have a product, 1 without axes", () => {
    expect(product([])).toBe(1);
    expect(`${product([B, 2, B])}`).toBe("2*B*B");
  });

  it("name a symbol that is not bound", () => {
    expect(() => bind(mul(B, symbol("T")), { B: 2 })).toThrow(/symbol T is not bound/);
  });

  it("refuse names that would read as arithmetic", () => {
    for (const name of ["", "2", "B+1", "a*b", "-B"])
      expect(() => symbol(name)).toThrow(/cannot name a size/);
  });
});
