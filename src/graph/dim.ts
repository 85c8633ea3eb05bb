import { type ErrorParts, RondoError } from "../errors.js";
/**
 * Sizes of tensor axes: numbers, or polynomials in named symbols (batch B, time T …) that planning binds to numbers, and in
 * quotients ⌊p / n⌋ of polynomials by numbers. They are kept in a canonical form, so that equality is equality of `key`.
 */
export type Dim = number | SymbolicDim;
/** Sizes of all axes, the outermost first. */
export type Shape = readonly Dim[];

/** What products are made of: symbols, and quotients that are rounded down. */
interface Factor {
  /** The name of a symbol; the text of a quotient. */
  readonly key: string;
  /** ⌊dividend / divisor⌋, and that of another dividend; left out for a symbol. */
  readonly quotient?: {
    readonly dividend: SymbolicDim;
    readonly divisor: number;
    of(dividend: Dim): Dim;
  };
}

/** Factors in the order of their keys, and how often their product counts. */
interface Term {
  readonly factors: readonly Factor[];
  readonly count: number;
}

const keyOf = ({ factors }: Term): string => factors.map(({ key }) => key).join("*");
const sorted = (factors: readonly Factor[]): readonly Factor[] =>
  [...factors].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));

/** A polynomial with integer coefficients: its terms, each product of factors once. */
export class SymbolicDim {
  readonly key: string;
  private constructor(readonly terms: readonly Term[]) {
    const text = (term: Term): string => {
      const [key, c] = [keyOf(term), term.count];
      return key === "" ? `${c}` : c === 1 ? key : c === -1 ? `-${key}` : `${c}*${key}`;
    };
    this.key = terms.map(text).join("+").replaceAll("+-", "-");
  }

  /** The symbol `name` itself: a letter, then letters, digits or `_`. */
  static symbol(name: string): SymbolicDim {
    if (!/^[A-Za-z]\w*$/.test(name)) throw new Error(`"${name}" cannot name a size`);
    return new SymbolicDim([{ factors: [{ key: name }], count: 1 }]);
  }

  /** The sum of terms: a number when no symbol is left. */
  static of(terms: Iterable<Term>): Dim {
    const sums = new Map<string, Term>();
    for (const term of terms) {
      const key = keyOf(term);
      sums.set(key, { ...term, count: (sums.get(key)?.count ?? 0) + term.count });
    }
    const kept = [...sums].filter(([, { count }]) => count !== 0).sort(([a], [b]) => (a < b ? 1 : -1));
    const [only] = kept;
    if (only === undefined) return 0;
    if (kept.length === 1 && only[0] === "") return only[1].count;
    return new SymbolicDim(kept.map(([, term]) => term));
  }

  toString(): string {
    return this.key;
  }
}

export const symbol = (name: string): SymbolicDim => SymbolicDim.symbol(name);

const termsOf = (d: Dim): readonly Term[] => (typeof d === "number" ? [{ factors: [], count: d }] : d.terms);

export const add = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a + b : SymbolicDim.of([...termsOf(a), ...termsOf(b)]);

export const sub = (a: Dim, b: Dim): Dim => add(a, mul(b, -1));

export function mul(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b + 0; // never −0
  return SymbolicDim.of(
    termsOf(a).flatMap((x) =>
      termsOf(b).map((y) => ({ factors: sorted([...x.factors, ...y.factors]), count: x.count * y.count })),
    ),
  );
}

/**
 * ⌊a / n⌋ for a whole number n > 0. What n divides in every term comes out of the rounding, so that sizes which are equal
 * for that reason are equal here too; what is left has coefficients from 0 to n − 1.
 */
export function floorDiv(a: Dim, n: number): Dim {
  if (typeof a === "number") return Math.floor(a / n);
  const whole = SymbolicDim.of(a.terms.map((term) => ({ ...term, count: Math.floor(term.count / n) })));
  const rest = sub(a, mul(whole, n));
  if (typeof rest === "number") return whole;
  return add(whole, rounded(rest, n));
}

/** ⌊a / n⌋ with coefficients from 0 to n − 1. */
function rounded(a: SymbolicDim, n: number): Dim {
  // ⌊(⌊b / m⌋ + c) / n⌋ = ⌊(b + c · m) / (m · n)⌋
  const [inner, another] = a.terms.filter(
    ({ factors, count }) => count === 1 && factors.length === 1 && factors[0]?.quotient !== undefined,
  );
  const own = inner?.factors[0]?.quotient;
  if (inner && own && another === undefined && Number.isSafeInteger(n * own.divisor)) {
    const c = sub(a, SymbolicDim.of([inner]));
    return floorDiv(add(own.dividend, mul(c, own.divisor)), n * own.divisor);
  }
  const common = a.terms.reduce(
    (g, { factors, count }) => (factors.length === 0 ? g : greatestCommonDivisor(g, count)),
    n,
  );
  if (common > 1) {
    const less = a.terms.map((term) => ({ ...term, count: Math.floor(term.count / common) }));
    return floorDiv(SymbolicDim.of(less), n / common);
  }
  const key = `floor(${a.terms.length === 1 ? a : `(${a})`}/${n})`;
  // The function stands here so that what needs no quotients does not need it either.
  const quotient = { dividend: a, divisor: n, of: (dividend: Dim) => floorDiv(dividend, n) };
  return SymbolicDim.of([{ factors: [{ key, quotient }], count: 1 }]);
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b);

/**
 * a / b where b divides a as a polynomial, so that the quotient is exact for every value of the symbols; else undefined.
 * Long division by the leading term (Cox, Little & O'Shea, "Ideals, Varieties, and Algorithms", §2.3).
 */
export function divide(a: Dim, b: Dim): Dim | undefined {
  if (typeof a === "number" && typeof b === "number") return b !== 0 && a % b === 0 ? a / b : undefined;
  const divisor = leading(b);
  if (divisor === undefined) return undefined;
  let [quotient, rest]: [Dim, Dim] = [0, a];
  for (let top = leading(rest); top !== undefined; top = leading(rest)) {
    const factors = without(top.factors, divisor.factors);
    if (factors === undefined || top.count % divisor.count !== 0) return undefined;
    const term = SymbolicDim.of([{ factors, count: top.count / divisor.count }]);
    quotient = add(quotient, term);
    rest = sub(rest, mul(term, b));
  }
  return quotient;
}

/** The term that comes first in an order that products respect: more factors first, then by the alphabet; none for 0. */
function leading(d: Dim): Term | undefined {
  const precedes = (a: Term, b: Term): boolean =>
    a.factors.length === b.factors.length
      ? `${a.factors.map(({ key }) => key)}` < `${b.factors.map(({ key }) => key)}`
      : a.factors.length > b.factors.length;
  const [first, ...others] = termsOf(d).filter(({ count }) => count !== 0);
  return first && others.reduce<Term>((top, t) => (precedes(t, top) ? t : top), first);
}

/** The factors of a product less those of one that divides it. */
function without(all: readonly Factor[], gone: readonly Factor[]): Factor[] | undefined {
  const rest = [...all];
  for (const { key } of gone) {
    const at = rest.findIndex((factor) => factor.key === key);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest;
}

/** The names of all symbols in a size. */
export const symbolsIn = (d: Dim): ReadonlySet<string> =>
  new Set(
    termsOf(d).flatMap(({ factors }) =>
      factors.flatMap(({ key, quotient }) =>
        quotient === undefined ? key : [...symbolsIn(quotient.dividend)],
      ),
    ),
  );

export const equal = (a: Dim, b: Dim): boolean =>
  typeof a === "number" || typeof b === "number" ? a === b : a.key === b.key;

/** The error where two sizes would have to be equal: they may be, where one is not known yet. */
export class SizesDiffer extends RondoError {
  constructor(
    parts: ErrorParts,
    readonly a: Dim,
    readonly b: Dim,
  ) {
    super(parts);
  }
}

/** A dim with symbols replaced by what they equal. */
export function substitute(d: Dim, values: ReadonlyMap<string, Dim>): Dim {
  if (![...symbolsIn(d)].some((name) => values.has(name))) return d;
  const value = ({ key, quotient }: Factor): Dim =>
    quotient === undefined
      ? (values.get(key) ?? SymbolicDim.symbol(key))
      : quotient.of(substitute(quotient.dividend, values));
  return termsOf(d).reduce<Dim>(
    (sum, { factors, count }) =>
      add(
        sum,
        factors.reduce<Dim>((p, factor) => mul(p, value(factor)), count),
      ),
    0,
  );
}

/** A symbol and what it must equal for a and b to be equal; undefined where that does not follow. */
export function solve(a: Dim, b: Dim): readonly [symbol: string, value: Dim] | undefined {
  const difference = sub(a, b);
  for (const term of [...termsOf(difference)].reverse()) {
    const [only, another] = term.factors;
    if (only === undefined || another !== undefined || only.quotient || Math.abs(term.count) !== 1) continue;
    const rest = sub(difference, SymbolicDim.of([term]));
    if (!symbolsIn(rest).has(only.key)) return [only.key, mul(rest, -term.count)];
  }
  return undefined;
}

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => equal(d, b[i] ?? -1));

export const product = (dims: Shape): Dim => dims.reduce<Dim>((p, d) => mul(p, d), 1);

/** The value of `d` under `bindings`; a symbol without a binding is a programming error. */
export function bind(d: Dim, bindings: Readonly<Record<string, number>>): number {
  if (typeof d === "number") return d;
  let sum = 0;
  for (const { factors, count } of d.terms) {
    let p = count;
    for (const { key, quotient } of factors) {
      const value = quotient
        ? Math.floor(bind(quotient.dividend, bindings) / quotient.divisor)
        : bindings[key];
      if (value === undefined) throw new Error(`size ${d.key}: symbol ${key} is not bound`);
      p *= value;
    }
    sum += p;
  }
  return sum;
}

/** `[B, 28, 64]`, as in error messages and printed graphs. */
export const shapeText = (shape: Shape): string => `[${shape.map(String).join(", ")}]`;

/** Whether a size is below 0 whatever its symbols are bound to; what depends on them is checked when they are. */
export const isNegative = (d: Dim): boolean => typeof d === "number" && d < 0;
