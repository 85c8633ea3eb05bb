import { type ErrorParts, RondoError } from "../errors.js";
/**
 * Sizes of tensor axes: numbers, or polynomials in named symbols (batch B, time T …) that planning binds to numbers.
 * Polynomials are kept in a canonical form, so that equality is equality of `key`.
 */
export type Dim = number | SymbolicDim;
/** Sizes of all axes, the outermost first. */
export type Shape = readonly Dim[];

/** A polynomial with integer coefficients: monomial (its symbols, sorted, joined by `*`; "" for 1) → coefficient. */
export class SymbolicDim {
  readonly key: string;
  /** The terms again, their monomials as lists of symbols. */
  readonly products: readonly (readonly [readonly string[], number])[];
  private constructor(readonly terms: ReadonlyMap<string, number>) {
    this.products = Array.from(terms, ([monomial, factor]) => [symbolsOf(monomial), factor] as const);
    const text = ([m, c]: readonly [string, number]): string =>
      m === "" ? `${c}` : c === 1 ? m : c === -1 ? `-${m}` : `${c}*${m}`;
    this.key = [...terms].map(text).join("+").replaceAll("+-", "-");
  }

  /** The symbol `name` itself: a letter, then letters, digits or `_`. */
  static symbol(name: string): SymbolicDim {
    if (!/^[A-Za-z]\w*$/.test(name)) throw new Error(`"${name}" cannot name a size`);
    return new SymbolicDim(new Map([[name, 1]]));
  }

  /** A polynomial from its terms: a number when no symbol is left. */
  static of(terms: Iterable<readonly [string, number]>): Dim {
    const kept = [...terms].filter(([, c]) => c !== 0).sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0));
    const [only] = kept;
    if (only === undefined) return 0;
    if (kept.length === 1 && only[0] === "") return only[1];
    return new SymbolicDim(new Map(kept));
  }

  toString(): string {
    return this.key;
  }
}

export const symbol = (name: string): SymbolicDim => SymbolicDim.symbol(name);

const termsOf = (d: Dim): ReadonlyMap<string, number> =>
  typeof d === "number" ? new Map([["", d]]) : d.terms;
const symbolsOf = (monomial: string): string[] => (monomial === "" ? [] : monomial.split("*"));
const times = (a: string, b: string): string => [...symbolsOf(a), ...symbolsOf(b)].sort().join("*");

export function add(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a + b;
  const sum = new Map(termsOf(a));
  for (const [m, c] of termsOf(b)) sum.set(m, (sum.get(m) ?? 0) + c);
  return SymbolicDim.of(sum);
}

export const sub = (a: Dim, b: Dim): Dim => add(a, mul(b, -1));

export function mul(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  const product = new Map<string, number>();
  for (const [m, c] of termsOf(a))
    for (const [n, d] of termsOf(b)) product.set(times(m, n), (product.get(times(m, n)) ?? 0) + c * d);
  return SymbolicDim.of(product);
}

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
    const symbols = without(top.symbols, divisor.symbols);
    if (symbols === undefined || top.factor % divisor.factor !== 0) return undefined;
    const term = SymbolicDim.of([[symbols.join("*"), top.factor / divisor.factor]]);
    quotient = add(quotient, term);
    rest = sub(rest, mul(term, b));
  }
  return quotient;
}

interface Term {
  readonly symbols: readonly string[];
  readonly factor: number;
}

/** The term that comes first in an order that products respect: more symbols first, then by the alphabet; none for 0. */
function leading(d: Dim): Term | undefined {
  const terms = [...termsOf(d)].map(([m, factor]) => ({ symbols: symbolsOf(m), factor }));
  const precedes = (a: Term, b: Term): boolean =>
    a.symbols.length !== b.symbols.length
      ? a.symbols.length > b.symbols.length
      : `${a.symbols}` < `${b.symbols}`;
  const [first, ...others] = terms.filter((t) => t.factor !== 0);
  return first && others.reduce<Term>((top, t) => (precedes(t, top) ? t : top), first);
}

/** The symbols of a product less those of one that divides it. */
function without(all: readonly string[], gone: readonly string[]): string[] | undefined {
  const rest = [...all];
  for (const s of gone) {
    const at = rest.indexOf(s);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest;
}

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
  if (typeof d === "number" || !d.products.some(([symbols]) => symbols.some((s) => values.has(s)))) return d;
  return d.products.reduce<Dim>(
    (sum, [symbols, factor]) =>
      add(
        sum,
        symbols.reduce<Dim>((p, s) => mul(p, values.get(s) ?? SymbolicDim.symbol(s)), factor),
      ),
    0,
  );
}

/** A symbol and what it must equal for a and b to be equal; undefined where that does not follow. */
export function solve(a: Dim, b: Dim): readonly [symbol: string, value: Dim] | undefined {
  const difference = sub(a, b);
  if (typeof difference === "number") return undefined;
  for (const [symbols, factor] of [...difference.products].reverse()) {
    const [name] = symbols;
    if (name === undefined || symbols.length !== 1 || Math.abs(factor) !== 1) continue;
    const rest = sub(difference, mul(SymbolicDim.symbol(name), factor));
    const nested = typeof rest !== "number" && rest.products.some(([others]) => others.includes(name));
    if (!nested) return [name, mul(rest, -factor)];
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
  for (const [symbols, factor] of d.products) {
    let p = factor;
    for (const s of symbols) {
      const value = bindings[s];
      if (value === undefined) throw new Error(`size ${d.key}: symbol ${s} is not bound`);
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
