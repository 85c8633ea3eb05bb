import { describe, expect, it } from "vitest";
import * as ops from "./build.js";
import { type Graph, makeNode, type Node, type StateVariable, SymbolicTensor } from "./ir.js";
import { verify } from "./verify.js";

const x = ops.input("x", [2, 3]);
const w: StateVariable = { name: "w", shape: [2, 3], dtype: "float32", role: "weight" };

const graph = (outputs: Graph["outputs"], more: Partial<Graph> = {}): Graph => ({
  name: "g",
  inputs: [x],
  outputs,
  updates: [],
  ...more,
});

/** Output 0 of a copy of a value's node with parts of it changed. */
const changed = ({ node }: SymbolicTensor, parts: Partial<Node>): SymbolicTensor =>
  new SymbolicTensor({ ...node, ...parts });

function recurrence(attrs: Partial<ops.RnnAttrs> = {}): SymbolicTensor {
  const state = ops.input("s", [2, 4]);
  const parts = [ops.input("x", [2, 3]), ops.input("w", [3, 4]), ops.input("u", [4, 4])] as const;
  const next = ops.tanh(ops.add(ops.matMul(parts[0], parts[1]), ops.matMul(state, parts[2])));
  const [xs, kernel, recurrentKernel] = [ops.ones([5, 2, 3]), ops.ones([3, 4]), ops.ones([4, 4])];
  const node = makeNode(ops.rnnOp, [xs, kernel, recurrentKernel], {
    cell: "simple",
    activation: "tanh",
    recurrentActivation: "sigmoid",
    roles: ["x", "kernel", "recurrentKernel"],
    length: 5,
    units: 4,
    body: {
      sequences: [parts[0]],
      states: [state],
      constants: parts.slice(1),
      outputs: [next],
      newStates: [next],
    },
    ...attrs,
  });
  return new SymbolicTensor(node);
}

function scanOf(
  step: ops.ScanOptions["step"] = ([now = x]) => ({ outputs: [now], states: [now] }),
): SymbolicTensor {
  const { outputs } = ops.scan({ sequences: [x], states: [{ shape: [3], dtype: "float32" }], step });
  return outputs[0] ?? x;
}

/** A scan with parts of its body changed. */
function withBody(scan: SymbolicTensor, parts: Partial<ops.ScanBody>): SymbolicTensor {
  const attrs = scan.node.attrs as ops.ScanAttrs;
  return changed(scan, { attrs: { ...attrs, body: { ...attrs.body, ...parts } } });
}

describe("verify", () => {
  it("accepts what the builders make", () => {
    const mask = ops.greater(ops.sum(x, 1), 0);
    verify(
      graph(
        { y: ops.softmax(x).withMask(mask), z: scanOf(), r: recurrence() },
        { updates: [{ variable: w, value: ops.mul(ops.read(w), 2) }] },
      ),
    );
  });

  const cyclic = (): SymbolicTensor => {
    const inputs: SymbolicTensor[] = [];
    const first = changed(ops.neg(x), { inputs });
    const second = changed(ops.exp(x), { inputs: [first] });
    inputs.push(second);
    return second;
  };

  it.each([
    [
      "a wrong type",
      graph({ y: changed(ops.neg(x), { outputs: [{ shape: [2, 4], dtype: "float32" }] }) }),
      /neg is float32\[2, 4\], by its rule float32\[2, 3\]/,
    ],
    [
      "a missing type",
      graph({ y: changed(ops.neg(x), { inputs: [x, x], op: ops.concatOp, attrs: { axis: 0 } }) }),
      /concat is .* by its rule float32\[4, 3\]/,
    ],
    [
      "operands that do not fit",
      graph({ y: changed(ops.neg(x), { op: ops.elementwise.and }) }),
      /and does not take its operands: and: received/,
    ],
    ["a cycle", graph({ y: cyclic() }), /depends on it/],
    [
      "an operand that is not there",
      graph({ y: changed(ops.neg(x), { inputs: [new SymbolicTensor(x.node, 1)] }) }),
      /neg reads output 1 of input/,
    ],
    ["an output that is not there", graph({ y: new SymbolicTensor(x.node, 2) }), /no output 2 of input/],
    [
      "an operand with a mask",
      graph({ y: changed(ops.neg(x), { inputs: [x.withMask(ops.ones([2], "bool"))] }) }),
      /operand with a mask/,
    ],
    ["a mask of numbers", graph({ y: x.withMask(ops.ones([2])) }), /mask is float32/],
    [
      "a mask that does not fit",
      graph({ y: x.withMask(ops.ones([3], "bool")) }),
      /mask \[3\] is no beginning of \[2, 3\]/,
    ],
    ["an input that is not declared", graph({ y: ops.input("z", []) }), /input that it does not declare/],
    [
      "an input that only a mask reads",
      graph({ y: x.withMask(ops.input("m", [2], "bool")) }),
      /input that it does not declare/,
    ],
    ["an input declared twice", graph({ y: x }, { inputs: [x, x] }), /declared twice/],
    [
      "two updates of a variable",
      graph(
        {},
        {
          updates: [
            { variable: w, value: x },
            { variable: w, value: x },
          ],
        },
      ),
      /w is updated twice/,
    ],
    [
      "an update of another shape",
      graph({}, { updates: [{ variable: w, value: ops.sum(x, 0) }] }),
      /w is float32\[2, 3\], its update float32\[3\]/,
    ],
    [
      "an update of another dtype",
      graph({}, { updates: [{ variable: w, value: ops.cast(x, "int32") }] }),
      /its update int32/,
    ],
    [
      "a body that reads an outer value",
      graph({ y: withBody(scanOf(), { outputs: [ops.sum(x, 0)] }) }),
      /body of scan: reads an input/,
    ],
    [
      "a body that reads the state",
      graph({ y: withBody(scanOf(), { outputs: [ops.sum(ops.read(w), 0)] }) }),
      /body of scan: reads the state/,
    ],
    [
      "a body whose states change their type",
      graph({ y: withBody(scanOf(), { newStates: [ops.zeros([4])] }) }),
      /new ones float32\[4\]/,
    ],
    [
      "a body of other operands",
      graph({ y: withBody(scanOf(), { constants: [ops.input("c", [])] }) }),
      /scan has 2 operands, its body takes 3/,
    ],
    [
      "a sequence of another length",
      graph({ y: changed(scanOf(), { inputs: [ops.ones([9, 3]), ops.zeros([3])] }) }),
      /scan: operand 0 is float32\[9, 3\], its body takes float32\[2, 3\]/,
    ],
    [
      "roles without operands",
      graph({ y: recurrence({ roles: ["x", "kernel", "recurrentKernel", "bias"] }) }),
      /rnn has 3 operands for 4 roles/,
    ],
    [
      "roles in another order",
      graph({ y: recurrence({ roles: ["x", "recurrentKernel", "kernel"] }) }),
      /rnn: operand 2 is float32\[4, 4\], its body takes float32\[3, 4\]/,
    ],
    ["another length", graph({ y: recurrence({ length: 6 }) }), /x has 5 steps, not 6/],
  ] as [string, Graph, RegExp][])("finds %s", (_, broken, message) => {
    expect(() => verify(broken)).toThrow(message);
  });
});
