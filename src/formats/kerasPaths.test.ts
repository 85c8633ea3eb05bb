import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type KerasAttribute, type KerasNode, kerasPaths, kerasSnakeCase } from "./kerasPaths.js";

interface Named extends KerasNode {
  readonly name: string;
}

/** A node whose name in Keras is the one that Keras gives to the first of its class, unless another is given. */
const node = (
  className: string,
  children: readonly KerasAttribute[] = [],
  name = kerasSnakeCase(className),
): Named => ({ className, children, name });
const named = (className: string, name: string, children: readonly KerasAttribute[] = []): Named =>
  node(className, children, name);

const recurrent = (className: string, name?: string, cell?: string): Named =>
  node(className, [["cell", named(`${className}Cell`, cell ?? `${kerasSnakeCase(className)}_cell`)]], name);

/** What Keras found in the files that it wrote: the names of objects by path. */
const index: Readonly<Record<string, Readonly<Record<string, { readonly name: string }>>>> = JSON.parse(
  readFileSync(new URL("../../tests/golden/files/index.json", import.meta.url), "utf8"),
);
const namesIn = (file: string) =>
  Object.fromEntries(Object.entries(index[file] ?? {}).map(([path, { name }]) => [path, name]));

function everyLayer(): Named {
  const stack = node("StackedRNNCells", [
    ["cells", [node("LSTMCell"), node("GRUCell"), named("LSTMCell", "lstm_cell_1")]],
  ]);
  return named("Sequential", "every_layer", [
    ["optimizer", node("Adam")],
    [
      "layers",
      [
        named("Embedding", "table"),
        node("Masking"),
        recurrent("SimpleRNN"),
        recurrent("LSTM"),
        recurrent("GRU"),
        recurrent("GRU", "gru_1"),
        named("Bidirectional", "both", [
          ["forward_layer", recurrent("LSTM", "forward_lstm_1")],
          ["backward_layer", recurrent("LSTM", "backward_lstm_1")],
        ]),
        node("RNN", [["cell", stack]]),
        named("RNN", "rnn_1", [["cell", node("SimpleRNNCell")]]),
        node("TimeDistributed", [["layer", named("Dense", "inner")]]),
        named("TimeDistributed", "time_distributed_1", [["layer", node("Dense")]]),
        node("BatchNormalization"),
        node("LayerNormalization"),
        node("Flatten"),
        node("Reshape"),
        named("Flatten", "flatten_1"),
        node("Dropout"),
        named("Dense", "first"),
        node("Activation"),
        named("Dense", "frozen"),
        named("Dense", "dense_1"),
      ],
    ],
  ]);
}

function graph(): Named {
  const head = named("Sequential", "head", [["layers", [named("Dense", "own")]]]);
  const inner = named("Functional", "inner", [
    ["layers", [named("InputLayer", "inner_in"), named("Dense", "last")]],
  ]);
  const inputs = [named("InputLayer", "left"), named("InputLayer", "right")];
  const layers = [recurrent("LSTM", "reader"), named("Concatenate", "joined"), named("Dense", "twice")];
  return named("Functional", "graph", [
    ["layers", [...inputs, ...layers, head, inner, named("Dense", "side")]],
    ["optimizer", named("SGD", "sgd")],
  ]);
}

function shared(): Named {
  const layer = named("Dense", "shared");
  const first = named("Sequential", "first", [["layers", [layer]]]);
  const second = named("Sequential", "second", [["layers", [layer, named("Dense", "own")]]]);
  return named("Functional", "shared", [["layers", [named("InputLayer", "input"), first, second]]]);
}

function parts(): Named {
  const [b0, b1, b2] = [named("Dense", "b0"), named("Dense", "b1"), named("Dense", "b2")];
  const hidden = named("Dense", "hidden");
  const reader = recurrent("GRU", "reader");
  return node("Parts", [
    ["layers", [hidden, b0, b1, b2, reader]],
    ["_hidden", hidden],
    ["blocks", [b0, b1, [b2]]],
    ["by_name", [reader]],
    ["again", b1],
  ]);
}

describe("kerasPaths gives the groups of files that Keras wrote", () => {
  it.each([
    ["every_layer", everyLayer()],
    ["graph", graph()],
    ["shared", shared()],
    ["parts", parts()],
  ])("%s", (file, root) => {
    const paths = [...kerasPaths(root)].map(([path, { name }]) => [path, name]);
    expect(Object.fromEntries(paths)).toEqual(namesIn(file));
  });

  it("wrapped: lists of cells, wrappers in wrappers, models in models", () => {
    const cells = (className: string, list: readonly Named[]) => node(className, [["cells", list]]);
    const two = () => cells("StackedRNNCells", [node("GRUCell"), node("SimpleRNNCell")]);
    const rnn = () => node("RNN", [["cell", two()]]);
    const both = (forward: Named, backward: Named) =>
      node("Bidirectional", [
        ["backward_layer", backward],
        ["forward_layer", forward],
      ]);
    const model = (list: readonly Named[]) => node("Sequential", [["layers", list]]);
    const root = node("Sequential", [
      [
        "layers",
        [
          node("TimeDistributed", [["layer", both(rnn(), rnn())]]),
          both(recurrent("GRU"), recurrent("LSTM")),
          model([node("Dense"), model([node("Dense")])]),
        ],
      ],
      ["optimizer", node("AdamW")],
    ]);
    expect([...kerasPaths(root).keys()].sort()).toEqual(Object.keys(namesIn("wrapped")).sort());
  });
});

describe("kerasPaths", () => {
  it("goes through the layers of a model first, and through private attributes last", () => {
    const [a, b] = [named("Dense", "a"), named("Dense", "b")];
    const attributes: KerasAttribute[] = [
      ["_own", b],
      ["about", a],
      ["layers", [a]],
      ["zoo", b],
    ];
    const model = kerasPaths(node("Sequential", attributes));
    expect([...model.keys()]).toEqual(["", "layers/dense", "zoo"]);
    expect([...kerasPaths(node("Layer", attributes)).keys()]).toEqual(["", "about", "zoo"]);
  });

  it("counts a layer that it has met, but gives it no second place", () => {
    const shared = node("Dense");
    const paths = kerasPaths(node("Sequential", [["layers", [shared, shared, named("Dense", "own")]]]));
    expect([...paths].map(([path, { name }]) => [path, name])).toEqual([
      ["", "sequential"],
      ["layers/dense", "dense"],
      ["layers/dense_2", "own"],
    ]);
  });

  it("has a path of its own for every node, however they lie", () => {
    const tree: fc.Memo<KerasNode> = fc.memo((depth) =>
      fc.record({
        className: fc.constantFrom("Dense", "LSTM", "Sequential"),
        children:
          depth <= 1
            ? fc.constant([])
            : fc.dictionary(fc.constantFrom("cell", "layers", "_layer"), held(depth - 1)).map(Object.entries),
      }),
    );
    const held: fc.Memo<KerasAttribute[1]> = fc.memo((depth) =>
      depth <= 1 ? tree(1) : fc.oneof(tree(depth), fc.array(held(depth - 1), { maxLength: 4 })),
    );
    const count = (held: KerasAttribute[1]): number =>
      "className" in held
        ? (held.children ?? []).reduce((sum, [, inner]) => sum + count(inner), 1)
        : held.reduce((sum, inner) => sum + count(inner), 0);
    fc.assert(fc.property(tree(4), (root) => kerasPaths(root).size === count(root)));
  });
});

it.each([
  ["LSTM", "lstm"],
  ["SimpleRNNCell", "simple_rnn_cell"],
  ["StackedRNNCells", "stacked_rnn_cells"],
  ["PReLU", "p_re_lu"],
  ["Conv1D", "conv1d"],
  ["ConvLSTM1D", "conv_lstm1d"],
  ["GlobalAveragePooling1D", "global_average_pooling1d"],
  ["RMSprop", "rm_sprop"],
  ["My_Layer", "my__layer"],
])("kerasSnakeCase: %s is %s", (name, expected) => {
  expect(kerasSnakeCase(name)).toBe(expected);
});
