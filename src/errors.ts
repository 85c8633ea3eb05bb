/** The four parts of every error message. The first three are phrases, the fix is a sentence. */
export interface ErrorParts {
  /** The operation or layer by name, for example `lstm "lstm_1"` or `matmul`. */
  readonly where: string;
  /** What it was given. */
  readonly received: string;
  /** What it needs instead. */
  readonly expected: string;
  /** What to change, in the caller's words. */
  readonly fix: string;
}

/** The only error Rondo throws on purpose: says where, what was received, what was expected and how to fix it. */
export class RondoError extends Error implements ErrorParts {
  override readonly name = "RondoError";
  readonly where: string;
  readonly received: string;
  readonly expected: string;
  readonly fix: string;

  /**
   * @param parts the four parts of the message
   * @param options `cause`: the error underneath, where there is one
   */
  constructor(parts: ErrorParts, options?: ErrorOptions) {
    super(wording(parts), options);
    captureStack(this, new.target, errorLines);
    this.where = parts.where;
    this.received = parts.received;
    this.expected = parts.expected;
    this.fix = parts.fix;
  }
}

/** How many lines of a stack an error keeps: enough to get out of Rondo and to the caller's own code. */
const errorLines = 50;
/** The same of a call. Each costs time, whether or not it is needed. */
const callLines = 3;

/** What V8, and lately other engines, have beside the standard. */
const engine = Error as {
  captureStackTrace?: (into: object, above: CallableFunction | NewableFunction) => void;
  stackTraceLimit?: number | undefined;
};

/** Writes the present stack, without what lies above a function, into an object. The text is made when it is read. */
function captureStack(
  into: { stack?: string | undefined },
  above: CallableFunction | NewableFunction,
  lines: number,
): void {
  const { stackTraceLimit } = engine;
  try {
    engine.stackTraceLimit = lines;
    engine.captureStackTrace?.(into, above);
    engine.stackTraceLimit = stackTraceLimit;
  } catch {
    // Where Error is frozen, errors have the stacks that it gives them.
  }
}

/** Where a method was called, for errors that come when its call is no longer on the stack. */
export class CallSite {
  readonly #captured: { stack?: string | undefined } = {};

  /** @param method what has been called just now; costs some microseconds */
  constructor(method: CallableFunction) {
    captureStack(this.#captured, method, callLines);
  }

  /** An error, with the place of the call at the end of its stack where it is not in it. */
  extend(error: unknown): unknown {
    return extended(error, linesOf(this.#captured));
  }
}

/**
 * An error of an asynchronous method, with the place where its result is awaited at the end of its stack: costs nothing
 * before there is one, and finds the place only where nothing but `await` is between the caller and here.
 */
export function withAwaiter(method: CallableFunction, error: unknown): unknown {
  const captured: { stack?: string } = {};
  captureStack(captured, withAwaiter, errorLines);
  const lines = linesOf(captured);
  return extended(error, lines.slice(lines.findIndex((line) => line.includes(`.${method.name} `)) + 1));
}

/** No lines where the program has stacks that are no text. */
const linesOf = ({ stack }: { readonly stack?: unknown }): string[] =>
  typeof stack === "string" ? stack.split("\n").filter((line) => /^\s+at /.test(line)) : [];

function extended(error: unknown, lines: readonly string[]): unknown {
  const place = lines[0]?.match(/[^\s(]+:\d+:\d+/)?.[0];
  if (place === undefined || !(error instanceof Error) || typeof error.stack !== "string") return error;
  if (error.stack.includes(place)) return error;
  try {
    error.stack = `${error.stack}\n${lines.slice(0, callLines).join("\n")}`;
  } catch {
    // A frozen error stays as it is.
  }
  return error;
}

/** The error as one of a larger operation, `place`: `fit, validationData: meanSquaredError`. Other errors stay as they are. */
export function within(place: string, error: unknown): unknown {
  if (!(error instanceof RondoError)) return error;
  const { where, received, expected, fix } = error;
  return new RondoError({ where: `${place}: ${where}`, received, expected, fix }, { cause: error });
}

/** The one wording of the four parts. */
export function wording({ where, received, expected, fix }: ErrorParts): string {
  return `${where}: received ${received}, expected ${expected}. ${fix}${/[.?!]$/.test(fix) ? "" : "."}`;
}

/**
 * The error for a name that is not in a list, with the nearest valid name as the fix.
 *
 * @param where the operation that looked the name up, for example `compile`
 * @param kind what the name stands for, for example `loss`
 */
export function unknownName(where: string, kind: string, name: string, valid: readonly string[]): RondoError {
  const nearest = nearestName(name, valid);
  return new RondoError({
    where,
    received: `the unknown ${kind} "${name}"`,
    expected: valid.length === 0 ? `no ${kind}` : `one of ${valid.join(", ")}`,
    fix:
      nearest !== undefined
        ? `Did you mean "${nearest}"?`
        : valid.length === 0
          ? "Leave it out"
          : "Use one of these names",
  });
}

/** The names of a type's options; the compiler holds the list complete. */
export const namesOf = <T extends object>(names: Readonly<Record<keyof T, true>>): readonly string[] =>
  Object.keys(names);

/** A value in the words of an error's `received`: `"text"`, `3`, `a list`, `the function adam`, `a Map`. */
export function valueText(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return value.name === "" ? "a function" : `the function ${value.name}`;
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return "a list";
  const name = classOf(value);
  return name === undefined
    ? "an object"
    : `${/^(?!Uint)[AEIOU]|^[FHLMNRSX][A-Z]/.test(name) ? "an" : "a"} ${name}`;
}

/** The name of an object's class; undefined where it is a plain one. */
function classOf(value: object): string | undefined {
  const { name = "" } = (value.constructor ?? {}) as { readonly name?: string };
  return name === "" || name === "Object" ? undefined : name;
}

/** Refuses what is no object of options, and options of which one has a name that is not in the list. */
export function checkOptions(where: string, options: unknown, valid: readonly string[]): void {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw noOptions(where, options, valid);
  const wrong = Object.keys(options).find((name) => !valid.includes(name));
  if (wrong === undefined) return;
  if (classOf(options) === undefined) throw unknownName(where, "option", wrong, valid);
  throw noOptions(where, options, valid);
}

const noOptions = (where: string, given: unknown, valid: readonly string[]): RondoError =>
  new RondoError({
    where,
    received: `${valueText(given)} for its options`,
    expected: "an object",
    fix: valid.length === 0 ? "Pass {}" : `Write for example { ${valid[0]}: … }`,
  });

/** Refuses what is no list; `role`: what it was given for. */
export function checkList(where: string, given: unknown, expected: string, fix: string, role = ""): void {
  if (!Array.isArray(given))
    throw new RondoError({ where, received: `${valueText(given)}${role}`, expected, fix });
}

/** Throws unless `value` is a whole number of at least `least`. */
export function checkCount(where: string, name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new RondoError({
    where,
    received: `${name}: ${valueText(value)}`,
    expected: `a whole number of at least ${least}`,
    fix: `Change ${name}`,
  });
}

/**
 * The valid name nearest to `name` by edit distance, ignoring case, `_`, `-` and spaces; `undefined` when
 * none is near (more than a third of the longer name would have to change).
 */
export function nearestName(name: string, valid: readonly string[]): string | undefined {
  const wanted = normalized(name);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of valid) {
    const other = normalized(candidate);
    const distance = editDistance(wanted, other);
    if (
      distance < bestDistance &&
      distance <= Math.max(1, Math.floor(Math.max(wanted.length, other.length) / 3))
    ) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function normalized(name: string): string {
  return name.toLowerCase().replace(/[\s_-]/g, "");
}

/** Damerau–Levenshtein distance (optimal string alignment): insertions, deletions, substitutions, swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      current.push(
        Math.min(
          at(previous, j) + 1,
          at(current, j - 1) + 1,
          substitution,
          swapped ? at(beforePrevious, j - 2) + 1 : substitution,
        ),
      );
    }
    beforePrevious = previous;
    previous = current;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
