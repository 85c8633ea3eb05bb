/**
 * Something that Keras saves: a model, a layer, a cell, an optimizer. Rondo's own classes need not be one; whoever writes
 * a file describes them so.
 */
export interface KerasNode {
  /** The class in Keras, `"LSTM"`: lists name their members by it. A functional model is `"Functional"`. */
  readonly className: string;
  /** Attributes of the Keras object that hold others: one, a list, or lists in lists. Their order does not matter. */
  readonly children?: readonly KerasAttribute[];
}

/** An attribute by its name in Keras, and what it holds. */
export type KerasAttribute = readonly [name: string, held: KerasNode | KerasList];
export type KerasList = readonly (KerasNode | KerasList)[];

/**
 * Where Keras keeps each node of a tree in `model.weights.h5`: its group's path, `""` for the root. The node's own
 * variables are the datasets `0`, `1`, … in the group `vars` below that path; every layer, model and optimizer has one,
 * empty or not.
 *
 * The rules (keras/src/saving/saving_lib.py: `_walk_saveable`, `_save_state`, `_save_container_state`):
 *
 * - A node in an attribute lies at `parent/attribute`; one in a list at `parent/attribute/class_name`, the class in snake
 *   case, the second of a class in that list with `_1`, the third with `_2`. The names of layers play no part. A list
 *   in a list is `container`, counted likewise.
 * - `Sequential` and `Functional` go through `layers` first. Otherwise attributes come in the order of their names, those
 *   with `_` before them last.
 * - A node that is met again (a shared layer, or one in two nested models) stays where it was met first, but counts where
 *   a list numbers its members.
 *
 * What an object holds, by class:
 *
 * | class | attributes |
 * |---|---|
 * | `Sequential` | `layers` (without its InputLayer), `optimizer` |
 * | `Functional` | `layers` (with every InputLayer, in the order of `model.layers`), `optimizer` |
 * | `LSTM`, `GRU`, `SimpleRNN`, `RNN`, `ConvLSTM1D`, `ConvLSTM2D` | `cell` |
 * | `StackedRNNCells` | `cells` |
 * | `Bidirectional` | `forward_layer`, `backward_layer` |
 * | `TimeDistributed`, `SpectralNormalization` | `layer` |
 * | `MultiHeadAttention` | `query_dense`, `key_dense`, `value_dense`, `output_dense`, `_softmax`, `_dropout_layer` |
 * | the others | none |
 *
 * A node's own variables are its trainable ones in the order of their making, then the others: kernel,
 * recurrent kernel, bias of a cell (a recurrent layer has none of its own); gamma, beta, moving mean, moving variance of
 * BatchNormalization. A layer that does not train keeps this order. What an optimizer has, in its order: the number of
 * steps (int64), the learning rate unless it is a schedule, and from the first step (or `build`) on its slots. Random
 * states, metrics, losses, and the states of stateful layers are not in the file.
 *
 * @returns the nodes by path, in the order in which Keras meets them; each node once
 */
export function kerasPaths<N extends KerasNode>(root: N): Map<string, N> {
  const paths = new Map<string, N>();
  const met = new Set<object>();

  const visit = (node: KerasNode, path: string): void => {
    if (met.has(node)) return;
    met.add(node);
    paths.set(path, node as N);
    const ofLayers = node.className === "Sequential" || node.className === "Functional";
    const order = (name: string) => (ofLayers && name === "layers" ? "" : name.replace(/^_/, "~_"));
    const attributes = [...(node.children ?? [])].sort(([a], [b]) => (order(a) < order(b) ? -1 : 1));
    for (const [name, held] of attributes) {
      const below = path === "" ? name : `${path}/${name}`;
      if (isList(held)) visitList(held, below);
      else visit(held, below);
    }
  };

  const visitList = (list: KerasList, path: string): void => {
    if (met.has(list)) return;
    met.add(list);
    const used = new Map<string, number>();
    const unique = (name: string) => {
      const count = used.get(name);
      used.set(name, count === undefined ? 0 : count + 1);
      return count === undefined ? name : `${name}_${count + 1}`;
    };
    for (const held of list) {
      if (isList(held)) visitList(held, `${path}/${unique("container")}`);
      else visit(held, `${path}/${unique(kerasSnakeCase(held.className))}`);
    }
  };

  visit(root, "");
  return paths;
}

const isList = (held: KerasNode | KerasList): held is KerasList => Array.isArray(held);

/** A class name as Keras writes it in names: `LSTM` → `lstm`, `BatchNormalization` → `batch_normalization`, `PReLU` → `p_re_lu`. */
export function kerasSnakeCase(name: string): string {
  return name
    .replace(/[^\p{L}\p{N}_]+/gu, "")
    .replace(/(.)([A-Z][a-z]+)/gs, "$1_$2")
    .replace(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
}
