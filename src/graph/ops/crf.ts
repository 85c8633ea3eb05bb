import type { TagScheme } from "../../data/tagScheme.js";
import { type SpanMode, spanRules } from "../../data/tagSpans.js";
import { RondoError } from "../../errors.js";
import { add, type Dim, product, sameShape, shapeText } from "../dim.js";
import * as instructions from "../instructions.js";
import {
  type Attrs,
  type InstructionRecord,
  type Kernel,
  makeNode,
  type Node,
  type Op,
  SymbolicTensor,
  type TensorType,
} from "../ir.js";
import { noMask } from "../mask.js";
import { cast } from "./elementwise.js";
import { constant, ones } from "./source.js";

// Linear-chain conditional random fields: Lafferty, McCallum and Pereira 2001. B rows, T steps, K tags, L labels.

/** Scores of tags: x [B, T, K] of each step, transitions [K, K] from one (row) to the next (column), start and end [K]. */
export interface CrfScores {
  readonly x: SymbolicTensor;
  readonly transitions: SymbolicTensor;
  readonly start: SymbolicTensor;
  readonly end: SymbolicTensor;
  /** bool [B, T]: a step that does not count is passed over, its neighbours follow one another. Undefined: all count. */
  readonly mask: SymbolicTensor | undefined;
}

/** A kernel whose inputs and then outputs go to the fields that `operands` names; what it does not name is absent. */
const called = <A extends Attrs>(
  instruction: InstructionRecord,
  operands: (attrs: A) => readonly string[],
  numbers: (inputs: readonly (readonly number[])[], attrs: A) => Readonly<Record<string, number>>,
): Kernel<A> => ({
  kind: "described",
  instruction,
  fields(inputs, _outputs, attrs, at) {
    const shapes = inputs.map(({ shape }) => shape);
    const places = [...at.inputs, ...at.outputs];
    const pointers = operands(attrs).map((field, i) => [field, places[i] ?? null]);
    return { ...numbers(shapes, attrs), ...Object.fromEntries(pointers) };
  },
});

/** Which inputs there are besides the scores. */
export interface CrfAttrs {
  readonly tags: boolean;
  readonly mask: boolean;
}

const float = (...shape: readonly Dim[]): TensorType => ({ shape, dtype: "float32" });

/** Numbers of float64 in whole vectors, in float32 elements. */
const wide = (K: number): number => 2 * 8 * Math.ceil(K / 8);
/** Rows whose gradients are summed together are dealt out to so many sums. */
const groups = 16;

function sizesOf([x, transitions, ...others]: readonly TensorType[], where: string): [Dim, Dim, number] {
  const [B = 1, T = 1, K] = x?.shape ?? [];
  const fits =
    x?.shape.length === 3 &&
    typeof K === "number" &&
    K <= 1024 &&
    [x, transitions, ...others.slice(0, 2)].every((type) => type?.dtype === "float32") &&
    sameShape(transitions?.shape ?? [], [K, K]) &&
    others.slice(0, 2).every(({ shape }) => sameShape(shape, [K]));
  if (fits) return [B, T, K];
  throw new RondoError({
    where,
    received: [x, transitions, ...others]
      .map((type) => `${type?.dtype}${shapeText(type?.shape ?? [])}`)
      .join(", "),
    expected: "float32 scores [batch, time, tags], [tags, tags], [tags] and [tags], of 1,024 tags at most",
    fix: "Give the layer before as many units as there are tags",
  });
}

const scoreFields = ["x", "transitions", "start", "end"];
const given = ({ tags, mask }: CrfAttrs): string[] => [
  ...scoreFields,
  ...(tags ? ["tags"] : []),
  ...(mask ? ["mask"] : []),
];
const numbers = ([shape = []]: readonly (readonly number[])[]) => {
  const [B = 0, T = 0, K = 0] = shape;
  return { B, T, K };
};

function checkSteps(where: string, steps: TensorType | undefined, shape: readonly Dim[]): void {
  if (steps === undefined || sameShape(steps.shape, shape)) return;
  throw new RondoError({
    where,
    received: `tags or a mask of shape ${shapeText(steps.shape)}`,
    expected: `${shapeText(shape)}, one for each step`,
    fix: "Give every step of the scores its own",
  });
}

/**
 * log Σ exp(score) over all paths − the score of the path of `tags` (without them: log Σ exp alone), [B]; what the gradient
 * needs; room to work in.
 */
export const crfOp: Op<CrfAttrs> = {
  name: "crf",
  infer(inputs) {
    const [B, T, K] = sizesOf(inputs, "crf");
    for (const steps of inputs.slice(4)) checkSteps("crf", steps, [B, T]);
    return [float(B), float(B, T, wide(K)), float((K + 2) * wide(K))];
  },
  gradient({ inputs, outputs: [, forward], grads: [g], attrs }) {
    if (g === undefined || forward === undefined) return [];
    return gradientsOf(inputs, forward, g, attrs).slice(0, 4);
  },
  mask: noMask,
  kernel: called(instructions.crf, (attrs) => [...given(attrs), "out", "forward", "work"], numbers),
};

/** inputs: those of crf, what it keeps, g [B] → the gradients of x, transitions, start, end; room to work in. */
export const crfGradientOp: Op<CrfAttrs> = {
  name: "crfGradient",
  infer(inputs) {
    const [B, T, K] = sizesOf(inputs, "crfGradient");
    const work = 2 * K + 2 + groups * (K + 2);
    return [float(B, T, K), float(K, K), float(K), float(K), float(work * wide(K))];
  },
  gradient() {
    throw new RondoError({
      where: "gradient of a CRF",
      received: "a request for its gradient in turn: a loss of its marginals",
      expected: "a loss of its tags",
      fix: 'Train with the loss "crf" of the tags; marginals are for looking at',
    });
  },
  mask: noMask,
  kernel: called(
    instructions.crfGradient,
    (attrs) => [...given(attrs), "forward", "g", "dx", "dTransitions", "dStart", "dEnd", "work"],
    numbers,
  ),
};

const gradientsOf = (
  inputs: readonly SymbolicTensor[],
  forward: SymbolicTensor,
  g: SymbolicTensor,
  attrs: CrfAttrs,
): SymbolicTensor[] => {
  const node = makeNode(crfGradientOp, [...inputs, forward, g], attrs);
  return node.outputs.map((_, i) => new SymbolicTensor(node, i));
};

function scored({ x, transitions, start, end, mask }: CrfScores, tags?: SymbolicTensor): Node<CrfAttrs> {
  const attrs = { tags: tags !== undefined, mask: mask !== undefined };
  return makeNode(
    crfOp,
    [x, transitions, start, end, tags, mask].filter((v) => v !== undefined),
    attrs,
  );
}

/** −log probability of int32 tags [B, T], [B]; 0 for rows without a step that counts. Tags outside [0, K) score nothing. */
export const crfLoss = (scores: CrfScores, tags: SymbolicTensor): SymbolicTensor =>
  new SymbolicTensor(scored(scores, cast(tags.withMask(undefined), "int32")));

/** The probability of each tag at each step, [B, T, K]; 0 on steps that do not count. */
export function crfMarginals(scores: CrfScores): SymbolicTensor {
  const node = scored(scores);
  const [marginals] = gradientsOf(
    node.inputs,
    new SymbolicTensor(node, 1),
    ones([scores.x.shape[0] ?? 1]),
    node.attrs,
  );
  if (marginals === undefined) throw new Error("crfGradient has no outputs");
  return marginals;
}

export interface CrfDecodeAttrs extends CrfAttrs {
  /** What the tags mean, where that is known. */
  readonly scheme: TagScheme | undefined;
}

/** inputs: scores, limits [K + 2, K], the mask where there is one → the best tags int32 [B, T]; room to work in. */
export const crfDecodeOp: Op<CrfDecodeAttrs> = {
  name: "crfDecode",
  infer(inputs) {
    const [B, T, K] = sizesOf(inputs, "crfDecode");
    checkSteps("crfDecode", inputs[5], [B, T]);
    const work = add((K + 2) * wide(K), product([B, T, wide(K) / 4]));
    return [{ shape: [B, T], dtype: "int32" }, float(work)];
  },
  gradient: "none",
  mask: noMask,
  kernel: called(
    instructions.crfDecode,
    ({ mask }) => [...scoreFields, "limits", ...(mask ? ["mask"] : []), "out", "work"],
    numbers,
  ),
  decoding: {
    loss(node, tags, scores) {
      const [, transitions, start, end] = node.inputs;
      if (transitions === undefined || start === undefined || end === undefined)
        throw new Error("crfDecode has lost its scores");
      const { mask } = scores;
      return crfLoss({ x: scores.withMask(undefined), transitions, start, end, mask }, tags);
    },
    spans({ attrs: { scheme } }, truth, predicted, mask, mode) {
      if (scheme === undefined) return undefined;
      return { counts: countSpans(scheme, mode, truth, predicted, mask), labels: scheme.labels };
    },
  },
};

/**
 * The tags of the path with the largest score, int32 [B, T], 0 at masked steps.
 *
 * @param scheme of which no rule is ever broken; undefined: any tag may follow any
 */
export function crfDecode(scores: CrfScores, scheme?: TagScheme): SymbolicTensor {
  const { x, transitions, start, end, mask } = scores;
  const K = Number(x.shape.at(-1));
  const limits = constant(limitsOf(K, scheme), [K + 2, K], "float32");
  const inputs = [x, transitions, start, end, limits, mask].filter((v) => v !== undefined);
  return new SymbolicTensor(makeNode(crfDecodeOp, inputs, { tags: false, mask: mask !== undefined, scheme }));
}

/** 0 for what a scheme allows, else -∞: transitions [K, K], starts, ends [K]. */
function limitsOf(K: number, scheme: TagScheme | undefined): Float32Array {
  const limits = new Float32Array((K + 2) * K);
  if (scheme === undefined) return limits;
  for (let i = 0; i < K; i++) {
    for (let k = 0; k < K; k++) if (!scheme.follows(i, k)) limits[i * K + k] = Number.NEGATIVE_INFINITY;
    if (!scheme.starts(i)) limits[K * K + i] = Number.NEGATIVE_INFINITY;
    if (!scheme.ends(i)) limits[(K + 1) * K + i] = Number.NEGATIVE_INFINITY;
  }
  return limits;
}

export interface CountSpansAttrs {
  readonly mask: boolean;
  readonly labels: number;
}

/** truth, predicted int32 [B, T], rules [K + 2, K + 1], the mask where there is one → spans of both and of each alike [B, 3, L]. */
export const countSpansOp: Op<CountSpansAttrs> = {
  name: "countSpans",
  infer(inputs, { labels }) {
    const shape = inputs[0]?.shape ?? [];
    for (const steps of [inputs[1], inputs[3]]) checkSteps("countSpans", steps, shape);
    return [float(shape[0] ?? 1, 3, labels)];
  },
  gradient: "none",
  mask: noMask,
  kernel: called(
    instructions.countSpans,
    ({ mask }) => ["truth", "predicted", "rules", ...(mask ? ["mask"] : []), "out"],
    ([steps = [], , rules = []], { labels }) => ({
      B: steps[0] ?? 0,
      T: steps[1] ?? 0,
      K: (rules[1] ?? 0) - 1,
      L: labels,
    }),
  ),
};

/** Spans of the truth, of the prediction and of both alike, by label: int32 tags [B, T] → float32 [B, 3, L]. */
export function countSpans(
  scheme: TagScheme,
  mode: SpanMode,
  truth: SymbolicTensor,
  predicted: SymbolicTensor,
  mask?: SymbolicTensor,
): SymbolicTensor {
  const K = scheme.size;
  const rules = constant(spanRules(scheme, mode), [K + 2, K + 1], "int32");
  const inputs = [truth, predicted, rules, mask].filter((v) => v !== undefined);
  const attrs = { mask: mask !== undefined, labels: scheme.labels.length };
  return new SymbolicTensor(makeNode(countSpansOp, inputs, attrs));
}
