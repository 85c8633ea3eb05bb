/**
 * Sizes of tensor axes: numbers, or polynomials in named symbols (batch B, time T …) that planning binds to numbers.
 * Polynomials are kept in a canonical form, so that equality is equality of `key`.
 */
export type Dim = number | SymbolicDim;
export type Shape = readonly Dim[];

/** A polynomial with integer coefficients: monomial (its symbols, sorted, joined by `*`; "" for 1) → coefficient. */
export class SymbolicDim {
  readonly key: string;
  private constructor(readonly terms: ReadonlyMap<string, number>) {
    this.key = [...terms].map(([m, c]) => (m === "" ? `${c}` : c === 1 ? m : `${c}*${m}`)).join("+");
  }

  /** The symbol `name` itself. */
  static symbol(name: string): SymbolicDim {
    return new SymbolicDim(new Map([[name, 1]]));
  }

  /** A polynomial from its terms: a number when no symbol is left. */
  static of(terms: Iterable<readonly [string, number]>): Dim {
    const kept = [...terms].filter(([, c]) => c !== 0).sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0));
    if (kept.length === 0) return 0;
    const [only] = kept;
    if (kept.length === 1 && only?.[0] === "") return only[1];
    return new SymbolicDim(new Map(kept));
  }

  toString(): string {
    return this.key;
  }
}

export const symbol = (name: string): SymbolicDim => SymbolicDim.symbol(name);

const termsOf = (d: Dim): ReadonlyMap<string, number> =>
  typeof d === "number" ? new Map([["", d]]) : d.terms;
const times = (a: string, b: string): string =>
  [...a.split("*"), ...b.split("*")].filter(Boolean).sort().join("*");

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

/** a / b where that is exact for every value of the symbols and b is a number or a single product; else undefined. */
export function divide(a: Dim, b: Dim): Dim | undefined {
  if (equal(a, b)) return 1;
  const divisor = [...termsOf(b)];
  const [single] = divisor;
  if (divisor.length !== 1 || single === undefined || single[1] === 0) return undefined;
  const quotient: [string, number][] = [];
  for (const [m, c] of termsOf(a)) {
    const rest = m.split("*").filter(Boolean);
    for (const s of single[0].split("*").filter(Boolean)) {
      const at = rest.indexOf(s);
      if (at < 0) return undefined;
      rest.splice(at, 1);
    }
    if (c % single[1] !== 0) return undefined;
    quotient.push([rest.join("*"), c / single[1]]);
  }
  return SymbolicDim.of(quotient);
}

export const equal = (a: Dim, b: Dim): boolean =>
  typeof a === "number" || typeof b === "number" ? a === b : a.key === b.key;

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((d, i) => equal(d, b[i] ?? -1));

export const product = (dims: Shape): Dim => dims.reduce<Dim>((p, d) => mul(p, d), 1);

/** The value of `d` under `bindings`; a symbol without a binding is a programming error. */
export function bind(d: Dim, bindings: Readonly<Record<string, number>>): number {
  if (typeof d === "number") return d;
  let sum = 0;
  for (const [m, c] of d.terms) {
    let p = c;
    for (const s of m.split("*").filter(Boolean)) {
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
