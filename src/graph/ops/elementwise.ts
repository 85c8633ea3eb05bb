import type { Dtype } from "../../dtype.js";
import { RondoError } from "../../errors.js";
import { checkDtype } from "../../tensor.js";
import { type Dim, equal, type Shape, SizesDiffer, sameShape, shapeText } from "../dim.js";
import { apply, type GradientContext, nodeOf, type Op, type SymbolicTensor, symbolic } from "../ir.js";
import { elementwiseMask } from "../mask.js";
import { numberIn } from "./literal.js";
import { sumTo } from "./reduce.js";
import { scalar } from "./source.js";

type None = Readonly<Record<string, never>>;
const none: None = Object.freeze({});

/** What elementwise builders take: a value of the graph, or a number (a scalar of the other operand's dtype). */
export type Operand = SymbolicTensor | number;

/** NumPy's broadcasting of several shapes. */
export function broadcastShapes(where: string, shapes: readonly Shape[]): Shape {
  const [first = []] = shapes;
  if (shapes.every((shape) => shape === first || sameShape(shape, first))) return first;
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, axis) => {
    let size: Dim = 1;
    for (const shape of shapes) {
      const d = shape[axis - rank + shape.length];
      if (d === undefined || equal(d, 1) || equal(d, size)) continue;
      if (!equal(size, 1)) {
        throw new SizesDiffer(
          {
            where,
            received: `shapes ${shapes.map(shapeText).join(" and ")}`,
            expected: "sizes that are equal or 1 on every axis, counted from the last",
            fix: "Reshape or slice one operand so that its axes line up",
          },
          size,
          d,
        );
      }
      size = d;
    }
    return size;
  });
}

/** Names of the `map` steps on float32, on int32 and uint8, and on bool operands; left out where those are not taken. */
interface Steps {
  readonly float?: string;
  readonly int?: string;
  readonly bool?: string;
}

interface Rule<A extends object> extends Steps {
  readonly output?: Dtype;
  readonly gradient: Op<A>["gradient"];
  readonly shorten?: Op<A>["shorten"];
}

const kindOf: Readonly<Record<Dtype, keyof Steps>> = {
  float32: "float",
  int32: "int",
  uint8: "int",
  bool: "bool",
};

function define(name: string, rule: Rule<None>): Op<None> {
  return {
    name,
    infer(inputs) {
      const dtype = inputs[0]?.dtype;
      const differ = inputs.some((x) => x.dtype !== dtype);
      if (dtype === undefined || differ || rule[kindOf[dtype]] === undefined) {
        const taken = (Object.keys(kindOf) as Dtype[]).filter((d) => rule[kindOf[d]] !== undefined);
        throw new RondoError({
          where: name,
          received: `operands of dtype ${inputs.map((x) => x.dtype).join(" and ")}`,
          expected: `operands of one dtype: ${taken.join(", ")}`,
          fix: "Convert them with ops.cast",
        });
      }
      const shape = broadcastShapes(
        name,
        inputs.map((x) => x.shape),
      );
      return [{ shape, dtype: rule.output ?? dtype }];
    },
    gradient: rule.gradient,
    mask: elementwiseMask(name),
    kernel: { kind: "map", step: ([x]) => rule[kindOf[x?.dtype ?? "float32"]] },
    ...(rule.shorten === undefined ? {} : { shorten: rule.shorten }),
  };
}

type D1 = (x: SymbolicTensor, y: SymbolicTensor, g: SymbolicTensor) => SymbolicTensor;

/** A float32 function of one operand; `derivative` gets the operand, the result and the result's gradient. */
function unary(name: string, derivative: D1 | "none", int?: string, shorten?: Op<None>["shorten"]): Op<None> {
  return define(name, {
    float: name,
    ...(int === undefined ? {} : { int }),
    ...(shorten === undefined ? {} : { shorten }),
    gradient: derivative === "none" ? "none" : (c) => [chain1(c, derivative)],
  });
}

function chain1(
  { inputs: [x], outputs: [y], grads: [g] }: GradientContext<None>,
  d: D1,
): SymbolicTensor | undefined {
  return x !== undefined && y !== undefined && g !== undefined ? d(x, y, g) : undefined;
}

type D2 = (a: SymbolicTensor, b: SymbolicTensor, g: SymbolicTensor, y: SymbolicTensor) => SymbolicTensor;

/** Whether a number changes nothing as the right operand, and as the left one. */
interface Neutral {
  right(value: number): boolean;
  left?(value: number): boolean;
}

/** A float32 function of two operands with its two partial derivatives; broadcast axes are summed away. */
function binary(name: string, da: D2 | "none", db: D2 | "none", int?: string, neutral?: Neutral): Op<None> {
  return define(name, {
    float: name,
    ...(int === undefined ? {} : { int }),
    ...(neutral === undefined ? {} : { shorten: ({ inputs: [a, b] }) => other(neutral, a, b) }),
    gradient: ({ inputs: [a, b], outputs: [y], grads: [g], wanted }) => {
      if (a === undefined || b === undefined || g === undefined || y === undefined) return [];
      return [
        wanted[0] && da !== "none" ? sumTo(da(a, b, g, y), a.shape) : undefined,
        wanted[1] && db !== "none" ? sumTo(db(a, b, g, y), b.shape) : undefined,
      ];
    },
  });
}

/** The operand beside a neutral number. */
function other(neutral: Neutral, a?: SymbolicTensor, b?: SymbolicTensor): SymbolicTensor | undefined {
  const [left, right] = [numberIn(a), numberIn(b)];
  if (right !== undefined && neutral.right(right)) return a;
  return left !== undefined && neutral.left?.(left) ? b : undefined;
}

// x + 0 is x but for −0 + 0 = +0; −0 is neutral without exception.
const minusZero = (value: number): boolean => Object.is(value, -0);
const zero = (value: number): boolean => Object.is(value, 0);
const one = (value: number): boolean => value === 1;

const comparison = (name: string, int: string): Op<None> =>
  define(name, { float: name, int, bool: int, output: "bool", gradient: "none" });
const logical = (name: string): Op<None> => define(name, { bool: name, gradient: "none" });

/** e^x and its relations use these constants: 2/√π. */
const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

export const elementwise = {
  add: binary(
    "add",
    (_a, _b, g) => g,
    (_a, _b, g) => g,
    "addInt",
    { right: minusZero, left: minusZero },
  ),
  sub: binary(
    "sub",
    (_a, _b, g) => g,
    (_a, _b, g) => neg(g),
    "subInt",
    { right: zero },
  ),
  mul: binary(
    "mul",
    (_a, b, g) => mul(g, b),
    (a, _b, g) => mul(g, a),
    "mulInt",
    { right: one, left: one },
  ),
  div: binary(
    "div",
    (_a, b, g) => div(g, b),
    (_a, b, g, y) => neg(mul(g, div(y, b))),
    undefined,
    { right: one },
  ),
  // At a tie the first operand is the result, as in TensorFlow.
  maximum: binary(
    "maximum",
    (a, b, g) => where(greaterEqual(a, b), g, 0),
    (a, b, g) => where(less(a, b), g, 0),
    "maximumInt",
  ),
  minimum: binary(
    "minimum",
    (a, b, g) => where(lessEqual(a, b), g, 0),
    (a, b, g) => where(greater(a, b), g, 0),
    "minimumInt",
  ),
  // d a^b/da = b·a^(b−1), 0 where b is 0 whatever a is (∞ and NaN too); d/db = a^b·ln a, taken as 0 where a ≤ 0.
  pow: binary(
    "pow",
    (a, b, g) => mul(g, mul(b, pow(a, where(equalTo(b, 0), 0, sub(b, 1))))),
    (a, _b, g, y) => where(greater(a, 0), mul(g, mul(y, log(where(greater(a, 0), a, 1)))), 0),
  ),
  mod: binary(
    "mod",
    (_a, _b, g) => g,
    (a, b, g) => neg(mul(g, floor(div(a, b)))),
  ),
  neg: unary(
    "neg",
    (_x, _y, g) => neg(g),
    "negInt",
    ({ op, inputs: [x] }) => nodeOf(op, x)?.inputs[0],
  ),
  abs: unary("abs", (x, _y, g) => mul(g, sign(x)), "absInt"),
  sign: unary("sign", "none"),
  exp: unary("exp", (_x, y, g) => mul(g, y)),
  expm1: unary("expm1", (_x, y, g) => mul(g, add(y, 1))),
  log: unary("log", (x, _y, g) => div(g, x)),
  log1p: unary("log1p", (x, _y, g) => div(g, add(x, 1))),
  sqrt: unary("sqrt", (_x, y, g) => div(mul(g, 0.5), y)),
  rsqrt: unary("rsqrt", (x, y, g) => mul(g, div(mul(y, -0.5), x))),
  square: unary("square", (x, _y, g) => mul(g, mul(x, 2))),
  reciprocal: unary("reciprocal", (_x, y, g) => neg(mul(g, square(y)))),
  floor: unary("floor", "none"),
  ceil: unary("ceil", "none"),
  round: unary("round", "none"),
  sin: unary("sin", (x, _y, g) => mul(g, cos(x))),
  cos: unary("cos", (x, _y, g) => neg(mul(g, sin(x)))),
  tanh: unary("tanh", (_x, y, g) => mul(g, sub(1, square(y)))),
  sigmoid: unary("sigmoid", (_x, y, g) => mul(g, mul(y, sub(1, y)))),
  relu: unary("relu", (x, _y, g) => where(greater(x, 0), g, 0)),
  softplus: unary("softplus", (x, _y, g) => mul(g, sigmoid(x))),
  erf: unary("erf", (x, _y, g) => mul(g, mul(exp(neg(square(x))), TWO_OVER_SQRT_PI))),
  isNaN: define("isNaN", { float: "isNaN", output: "bool", gradient: "none" }),
  isFinite: define("isFinite", { float: "isFinite", output: "bool", gradient: "none" }),
  less: comparison("less", "lessInt"),
  lessEqual: comparison("lessEqual", "lessEqualInt"),
  equal: comparison("equal", "equalInt"),
  notEqual: comparison("notEqual", "notEqualInt"),
  and: logical("and"),
  or: logical("or"),
  not: logical("not"),
} as const satisfies Record<string, Op<None>>;

/** `where(condition, a, b)`: a where the bool condition holds, else b; broadcasts. No arithmetic touches the other branch. */
export const selectOp: Op<None> = {
  name: "select",
  infer([condition, a, b]) {
    if (
      condition === undefined ||
      a === undefined ||
      b === undefined ||
      condition.dtype !== "bool" ||
      a.dtype !== b.dtype
    ) {
      throw new RondoError({
        where: "where",
        received: `dtypes ${[condition, a, b].map((x) => x?.dtype).join(", ")}`,
        expected: "a bool condition and two operands of one dtype",
        fix: "Make the condition by a comparison, and convert the operands with ops.cast",
      });
    }
    return [{ shape: broadcastShapes("where", [condition.shape, a.shape, b.shape]), dtype: a.dtype }];
  },
  gradient: ({ inputs: [condition, a, b], grads: [g], wanted }) => {
    if (condition === undefined || a === undefined || b === undefined || g === undefined) return [];
    return [
      undefined,
      wanted[1] ? sumTo(where(condition, g, 0), a.shape) : undefined,
      wanted[2] ? sumTo(where(condition, 0, g), b.shape) : undefined,
    ];
  },
  mask: elementwiseMask("where"),
  kernel: { kind: "map", step: () => "select" },
  shorten({ inputs: [condition, a, b] }) {
    const decided = numberIn(condition);
    return decided === undefined ? undefined : decided !== 0 ? a : b;
  },
};

export interface CastAttrs {
  readonly dtype: Dtype;
}

/**
 * Conversion between dtypes. float32 → int32 truncates; beyond the range of int32 it gives the nearest int32, and NaN
 * gives 0. → uint8 keeps the low eight bits of the int32. Anything → bool is "not zero".
 */
export const castOp: Op<CastAttrs> = {
  name: "cast",
  infer: ([x], { dtype }) => {
    checkDtype("cast", dtype);
    return [{ shape: x?.shape ?? [], dtype }];
  },
  gradient: ({ inputs: [x], grads: [g] }) => [x?.dtype === "float32" ? g : undefined],
  mask: elementwiseMask("cast"),
  kernel: {
    kind: "map",
    step: ([x], { dtype }) => {
      const from = x?.dtype ?? "float32";
      if (dtype === "bool") return from === "float32" ? "toBool" : from === "bool" ? undefined : "intToBool";
      if (dtype === "float32") return from === "float32" ? undefined : "toFloat";
      return from === "float32" ? "toInt" : undefined;
    },
  },
  shorten: ({ inputs: [x] }) => x,
};

// ---- Builders

const order: readonly Dtype[] = ["bool", "uint8", "int32", "float32"];

const greatest = (dtypes: readonly Dtype[]): Dtype =>
  order[Math.max(...dtypes.map((d) => order.indexOf(d)))] ?? "float32";

/** Operands of one dtype: the lesser is converted to the greater; numbers take their partner's where it has such values. */
function unify(where: string, operands: readonly Operand[]): SymbolicTensor[] {
  const dtypes = operands.flatMap((x) => (typeof x === "number" ? [] : symbolic(where, x).dtype));
  if (dtypes.every((dtype) => dtype === "float32"))
    return operands.map((x) => (typeof x === "number" ? scalar(x) : x));
  const partner = dtypes.length === 0 ? "float32" : greatest(dtypes);
  const numbers = operands.flatMap((x) => (typeof x === "number" ? [dtypeOf(x, partner)] : []));
  const common = greatest([partner, ...numbers]);
  return operands.map((x) => (typeof x === "number" ? scalar(x, common) : cast(x, common)));
}

function dtypeOf(value: number, partner: Dtype): Dtype {
  if (partner === "float32" || (value | 0) !== value) return "float32";
  return partner === "uint8" && value >= 0 && value <= 255 ? "uint8" : "int32";
}

const un =
  (op: Op<None>) =>
  (x: SymbolicTensor): SymbolicTensor =>
    apply(op, [x], none);
const bin =
  (op: Op<None>) =>
  (a: Operand, b: Operand): SymbolicTensor =>
    apply(op, unify(op.name, [a, b]), none);
/** Arithmetic, in which bools count as the integers 0 and 1. */
const arithmetic =
  (op: Op<None>) =>
  (...operands: readonly [Operand, Operand]): SymbolicTensor =>
    apply(op, unify(op.name, operands).map(counted), none);
const counted = (x: SymbolicTensor): SymbolicTensor => (x.dtype === "bool" ? cast(x, "int32") : x);
const ofCounted =
  (op: Op<None>) =>
  (x: SymbolicTensor): SymbolicTensor =>
    apply(op, [counted(symbolic(op.name, x))], none);

/**
 * Converts to `dtype`; nothing happens where it is that already. float32 to int32 truncates (beyond the range of int32 to
 * the nearest int32, NaN to 0), to uint8 it then keeps the low eight bits; anything but 0 is true.
 */
export const cast = (x: SymbolicTensor, dtype: Dtype): SymbolicTensor =>
  symbolic("cast", x).dtype === dtype ? x : apply(castOp, [x], { dtype });

/** a + b. Integers wrap around, as they do in all arithmetic; bools count as 0 and 1. */
export const add = arithmetic(elementwise.add);
export const sub = arithmetic(elementwise.sub);
export const mul = arithmetic(elementwise.mul);
/** a / b in float32, integer operands converted. */
export const div = (a: Operand, b: Operand): SymbolicTensor =>
  apply(
    elementwise.div,
    unify("div", [a, b]).map((x) => cast(x, "float32")),
    none,
  );
export const maximum = arithmetic(elementwise.maximum);
export const minimum = arithmetic(elementwise.minimum);
export const pow = bin(elementwise.pow);
/** Remainder with the sign of the divisor. */
export const mod = bin(elementwise.mod);
export const less = bin(elementwise.less);
export const lessEqual = bin(elementwise.lessEqual);
export const greater = (a: Operand, b: Operand): SymbolicTensor => less(b, a);
export const greaterEqual = (a: Operand, b: Operand): SymbolicTensor => lessEqual(b, a);
export const equalTo = bin(elementwise.equal);
export const notEqualTo = bin(elementwise.notEqual);
export const logicalAnd = bin(elementwise.and);
export const logicalOr = bin(elementwise.or);
export const logicalNot = un(elementwise.not);
export const neg = ofCounted(elementwise.neg);
export const abs = ofCounted(elementwise.abs);
export const sign = un(elementwise.sign);
export const exp = un(elementwise.exp);
export const expm1 = un(elementwise.expm1);
export const log = un(elementwise.log);
export const log1p = un(elementwise.log1p);
export const sqrt = un(elementwise.sqrt);
export const rsqrt = un(elementwise.rsqrt);
export const square = un(elementwise.square);
export const reciprocal = un(elementwise.reciprocal);
export const floor = un(elementwise.floor);
export const ceil = un(elementwise.ceil);
/** To the nearest integer, halves to even. */
export const round = un(elementwise.round);
export const sin = un(elementwise.sin);
export const cos = un(elementwise.cos);
export const tanh = un(elementwise.tanh);
export const sigmoid = un(elementwise.sigmoid);
export const relu = un(elementwise.relu);
export const softplus = un(elementwise.softplus);
export const erf = un(elementwise.erf);
const notANumber = un(elementwise.isNaN);
const finite = un(elementwise.isFinite);

export { finite as isFinite, notANumber as isNaN };

/** a where `condition` (bool), else b; all three broadcast. */
export const where = (condition: SymbolicTensor, a: Operand, b: Operand): SymbolicTensor =>
  apply(selectOp, [symbolic("where", condition), ...unify("where", [a, b])], none);

/** x limited to [low, high]; its slope is 1 from bound to bound, the bounds included. */
export const clipByValue = (x: SymbolicTensor, low: number, high: number): SymbolicTensor =>
  maximum(minimum(x, high), low);
