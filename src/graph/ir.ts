import { atOnce, isRest, type Steps } from "../breather.js";
import type { Dtype, TypedArray } from "../dtype.js";
import { RondoError, valueText } from "../errors.js";
import type { Dim, Shape } from "./dim.js";

export interface TensorType {
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/**
 * The value of one output of a node while a model is traced: a type, no data. Immutable. `mask` (bool, its shape a
 * prefix of this one's, such as [B, T] for [B, T, D]) says which steps count; it is a value of the graph like any other.
 */
export class SymbolicTensor implements TensorType {
  constructor(
    readonly node: Node,
    readonly index = 0,
    readonly mask: SymbolicTensor | undefined = undefined,
  ) {}

  private get type(): TensorType {
    const type = this.node.outputs[this.index];
    if (type === undefined) throw new Error(`${this.node.op.name} has no output ${this.index}`);
    return type;
  }
  get shape(): Shape {
    return this.type.shape;
  }
  get dtype(): Dtype {
    return this.type.dtype;
  }
  get rank(): number {
    return this.shape.length;
  }
  /** The same value with another mask, or none. */
  withMask(mask: SymbolicTensor | undefined): SymbolicTensor {
    return mask === this.mask ? this : new SymbolicTensor(this.node, this.index, mask);
  }
}

/** An operand of op `where` as it is; an error where it is no value of a graph. */
export function symbolic(where: string, x: unknown): SymbolicTensor {
  if (x instanceof SymbolicTensor) return x;
  throw new RondoError({
    where,
    received: `${valueText(x)} as an operand`,
    expected: "a value of a graph, or a number beside one",
    fix: "Ops are pieces of a graph, used inside layers, losses and metrics; outside of them compute on plain arrays",
  });
}

/** Attributes of a node: plain data, whatever its op declares. */
export type Attrs = object;

/** One application of an op. Nodes form a DAG through their inputs; a graph is what its outputs reach. */
export interface Node<A extends Attrs = Attrs> {
  readonly op: Op<A>;
  readonly inputs: readonly SymbolicTensor[];
  readonly attrs: A;
  readonly outputs: readonly TensorType[];
}

/** A strided window on a buffer: element offset, sizes and strides (0 repeats, negative runs backwards). */
export interface Strided {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export type Bindings = Readonly<Record<string, number>>;

/** What a reduction computes of the elements that it meets. */
export type Reduction = "sum" | "max" | "min" | "logSumExp" | "argMax" | "prod";

/** How an op is run: what the planner must know, and nothing of how it does it. */
export type Kernel<A extends Attrs> =
  /** Given from outside (inputs, state, literal data). */
  | { readonly kind: "source" }
  /** Element by element after broadcasting; `step` names the step of the `map` instruction, or nothing where bits stay. */
  | { readonly kind: "map"; step(inputs: readonly TensorType[], attrs: A): string | undefined }
  /** Another window on the input's buffer; `view` gives undefined where the input must be made contiguous first. */
  | {
      readonly kind: "view";
      view(x: Strided, attrs: A, bindings: Bindings, output: readonly number[]): Strided | undefined;
    }
  /** Several inputs written side by side into one output. */
  | { readonly kind: "assemble" }
  /** A reduction over axes; `scaled` divides by the number of reduced elements. */
  | { readonly kind: "reduce"; readonly reduction: Reduction; readonly scaled: boolean }
  /**
   * A kernel of its own; `src/plan/instructions.ts` has the rule of this name. `laysOut` tells of which outputs that rule
   * decides where they lie (as windows on a larger buffer); left out, each can be put wherever it is wanted. `overwrites`
   * tells in the place of which input an output may be written, element on element.
   */
  | {
      readonly kind: "instruction";
      readonly name: string;
      laysOut?(output: number): boolean;
      overwrites?(output: number, attrs: A): number;
    }
  /**
   * A kernel of its own whose instruction the op describes itself: the values of its fields, for the shapes of the operands
   * once sizes are bound. Inputs are contiguous, but for those whose first axis may have another stride (`rowsApart`);
   * `work` is how many float32 of room it needs; `check` throws a RondoError for sizes that it cannot do. `inRows`: each row of
   * the output follows from the same row of the first input, and the kernel can be told to do some rows only.
   */
  | {
      readonly kind: "described";
      readonly instruction: InstructionRecord;
      readonly inRows?: true;
      rowsApart?(input: number): boolean;
      check?(inputs: readonly (readonly number[])[], outputs: readonly (readonly number[])[], attrs: A): void;
      work?(inputs: readonly Strided[], outputs: readonly (readonly number[])[]): number;
      fields(
        inputs: readonly Strided[],
        outputs: readonly (readonly number[])[],
        attrs: A,
        at: OperandPlaces,
      ): Readonly<Record<string, number | Place>>;
    };

/** Where the operands of an instruction are, as its words say it; null: absent. And what sizes among the attributes are. */
export interface OperandPlaces {
  size(d: Dim): number;
  readonly inputs: readonly Place[];
  readonly outputs: readonly Place[];
  readonly work: Place;
}
export type Place = { readonly buffer: number; readonly offset: number } | null;

/** An instruction as the encoder writes it: its code, and its fields in order, `*` before pointers, `~` before floats. */
export interface InstructionRecord {
  readonly name: string;
  readonly opcode: number;
  readonly fields: string;
}

/** What an op that decodes tags knows of the scores that it decodes. */
export interface Decoding<A extends Attrs> {
  /** −log probability of int32 tags, [B], given scores in the place of the node's first input, with their mask. */
  loss(node: Node<A>, tags: SymbolicTensor, scores: SymbolicTensor): SymbolicTensor;
  /** Spans of the truth, of the prediction and of both alike, float32 [B, 3, labels], and the labels; undefined without a scheme. */
  spans(
    node: Node<A>,
    truth: SymbolicTensor,
    predicted: SymbolicTensor,
    mask: SymbolicTensor | undefined,
    mode: "strict" | "conlleval",
  ): { readonly counts: SymbolicTensor; readonly labels: readonly string[] } | undefined;
}

export interface GradientContext<A extends Attrs> {
  readonly node: Node<A>;
  readonly inputs: readonly SymbolicTensor[];
  /** The node's own outputs, without masks. */
  readonly outputs: readonly SymbolicTensor[];
  readonly attrs: A;
  /** Gradient with respect to each output; undefined where nothing depends on it. */
  readonly grads: readonly (SymbolicTensor | undefined)[];
  /** Which inputs' gradients are wanted. */
  readonly wanted: readonly boolean[];
  /** Gradients of another graph, for ops that hold one: from (value, its gradient) pairs back to the targets. */
  vjp(
    seeds: readonly (readonly [SymbolicTensor, SymbolicTensor])[],
    targets: readonly SymbolicTensor[],
  ): (SymbolicTensor | undefined)[];
}

// The rules are written as methods so that a rule over particular attributes stands where any rule is asked for.

/** Gradients with respect to the inputs, in order; undefined where none is wanted or the input does not matter. */
export type GradientRule<A extends Attrs> = {
  rule(context: GradientContext<A>): readonly (SymbolicTensor | undefined)[];
}["rule"];

/** The mask of output 0, from the inputs and their masks. Throws a RondoError where a mask cannot be carried. */
export type MaskRule<A extends Attrs> = {
  rule(inputs: readonly SymbolicTensor[], attrs: A, output: TensorType): SymbolicTensor | undefined;
}["rule"];

/** An op, declared once: shape rule, gradient rule, mask rule and kernel stand together. */
export interface Op<A extends Attrs = Attrs> {
  readonly name: string;
  /** The shape rule: output types from input types. Throws a RondoError naming the op when they do not fit. */
  infer(inputs: readonly TensorType[], attrs: A): readonly TensorType[];
  /** `"none"`: integer or piecewise constant, no gradient flows. */
  readonly gradient: GradientRule<A> | "none";
  readonly mask: MaskRule<A>;
  readonly kernel: Kernel<A>;
  /** A shorter value equal to output 0, also where that is NaN or ∞; undefined where there is none. One of another shape or dtype does not count. */
  shorten?(node: Node<A>): SymbolicTensor | undefined;
  /** Of an op that decodes tags: what losses and metrics ask it for. */
  readonly decoding?: Decoding<A>;
}

/** A variable of the state: where a program reads parameters, optimizer slots, recurrent states and counters. */
export interface StateVariable {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  /** `weight`: changes only by training or setWeights, so that what depends on weights alone may be prepared once. */
  readonly role: "weight" | "slot" | "recurrent" | "counter";
  /** First value of each element; default 0. */
  readonly initial?: number;
}

/** New value of a variable at the end of a run. All reads in the same graph see the old one. */
export interface Update {
  readonly variable: StateVariable;
  readonly value: SymbolicTensor;
}

/** A traced computation. `inputs` fixes the order of the program's input ports (unused inputs stay ports). */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly SymbolicTensor[];
  readonly outputs: Readonly<Record<string, SymbolicTensor>>;
  readonly updates: readonly Update[];
}

/** Literal data of a constant node. */
export interface Literal {
  readonly data: TypedArray;
}

/** All nodes that `roots` depend on, each after its inputs. */
export const topological = (roots: Iterable<SymbolicTensor>): Node[] => atOnce(topologicalSteps(roots));

/** `topological`, as work that can pause (iterative: models may be deep). */
export function* topologicalSteps(roots: Iterable<SymbolicTensor>): Steps<Node[]> {
  const order: Node[] = [];
  const state = new Map<Node, "open" | "done">();
  const stack: Node[] = [];
  for (const root of roots) {
    stack.push(root.node);
    while (stack.length > 0) {
      const node = stack[stack.length - 1];
      if (node === undefined) break;
      if (state.get(node) === undefined) {
        state.set(node, "open");
        for (let i = node.inputs.length - 1; i >= 0; i--) {
          const input = node.inputs[i];
          if (input !== undefined && state.get(input.node) === undefined) stack.push(input.node);
        }
      } else {
        stack.pop();
        if (state.get(node) === "open") {
          state.set(node, "done");
          if (isRest(order.push(node))) yield;
        }
      }
    }
  }
  return order;
}

/** What a graph computes: outputs first, then the values of its updates. */
export const rootsOf = (graph: Graph): SymbolicTensor[] => [
  ...Object.values(graph.outputs),
  ...graph.updates.map((u) => u.value),
];

/** The node that x comes from, where it is an application of `op`. */
export const nodeOf = <A extends Attrs>(op: Op<A>, x: SymbolicTensor | undefined): Node<A> | undefined =>
  x?.node.op === op ? (x.node as Node<A>) : undefined;

export const sameValue = (a: SymbolicTensor, b: SymbolicTensor): boolean =>
  a.node === b.node && a.index === b.index;

/** A new node; its output types come from the op's shape rule. It holds its inputs without their masks. */
export function makeNode<A extends Attrs>(op: Op<A>, inputs: readonly SymbolicTensor[], attrs: A): Node<A> {
  const bare = inputs.map((x) => symbolic(op.name, x).withMask(undefined));
  const outputs = op.infer(bare, attrs).map(({ shape, dtype }) => ({ shape, dtype }));
  return Object.freeze({ op, inputs: Object.freeze(bare), attrs, outputs });
}

/** Output 0 of a new node, with the mask that the op's rule gives it. */
export function apply<A extends Attrs>(
  op: Op<A>,
  inputs: readonly SymbolicTensor[],
  attrs: A,
): SymbolicTensor {
  const result = new SymbolicTensor(makeNode(op, inputs, attrs));
  return inputs.some((x) => x.mask !== undefined) ? result.withMask(op.mask(inputs, attrs, result)) : result;
}

/** Rebuilds `roots` with some values replaced; what does not depend on a replaced value stays the same node. */
export function substitute(
  roots: readonly SymbolicTensor[],
  replace: (x: SymbolicTensor) => SymbolicTensor | undefined,
): SymbolicTensor[] {
  const rebuilt = new Map<Node, Node>();
  const resolve = (x: SymbolicTensor): SymbolicTensor => {
    const other = replace(x);
    if (other !== undefined) return other;
    const node = rebuilt.get(x.node) ?? x.node;
    return node === x.node ? x : new SymbolicTensor(node, x.index);
  };
  for (const node of topological(roots)) {
    const inputs = node.inputs.map(resolve);
    if (inputs.some((x, i) => x !== node.inputs[i])) rebuilt.set(node, makeNode(node.op, inputs, node.attrs));
  }
  return roots.map(resolve);
}
