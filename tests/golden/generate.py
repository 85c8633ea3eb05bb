"""Writes the golden files that come from Keras on TensorFlow, computed in float64.

To regenerate, in any folder outside the repository:

    python3 -m venv venv && venv/bin/pip install tensorflow-cpu keras numpy
    venv/bin/python tests/golden/generate.py [GROUP ...]        # all groups: under a minute

`golden_file.py` describes the format, `load.ts` reads it. A case's generated tensors depend on its
name alone, so adding cases leaves the others as they are. The goldens of PyTorch, an independent
second reference, come from `generate_torch.py`.

What is in a case, by kind:

- simpleRNN, lstm, gru: inputs x, [mask], [h0, [c0]]; outputs: output, and with returnState h, [c].
  A stateful case has three calls: x1, x2, x3 and so on for every tensor, and each call's gradients
  stop at the state it started from. A case "…/bias" has one output, initialBias, and no inputs.
- bidirectional: the same, the states named forwardH0, backwardH0, …; with mergeMode null the
  outputs are forwardOutput and backwardOutput (in the order of time). Weights are forward.kernel, ….
- rnn: stacked cells; states h00, [c00], h10, … (cell 0, cell 1), weights 0.kernel, ….
- The layers of "timeDistributed" to "elementwiseLayers" ("windows": convolutions, pools and what resizes pictures), under their makers' names: input x, [mask];
  merging layers x0, x1, …, [mask0, mask1, …]; outputs: output, outputMask where the output has a
  mask, penalty where there is an activity regularizer (divided by the batch, as Keras does). Masks
  come with the inputs; softmax gets its mask, of x's shape, as an argument. A layer inside another
  is config.layer, { kind, config }, its weights under their own names (forward.kernel, … of a
  bidirectional). timeDistributed: a mask [B, T], or "…/innerMask": [B, T, S] for the sequences of
  S steps within. The noise layers are in inference.
- batchNormalization: three calls: x1, [mask1] and x2 in training, x3 in inference with the moving
  statistics they left; weights gamma, beta, movingMean, movingVariance as before call 1; outputs
  output1, movingMean1, movingVariance1 (after the call), …, output3.
- embedding: input x (ids), without a gradient; weight embeddings.
- activation: input x, output y; config.activation names it. "sparsemax/asInKeras" is Keras's own, the others
  of that name are the projection that it should be.
- loss: inputs yTrue, yPred, [sampleWeight], [mask]; outputs perSample (before weights and mask) and
  loss (their reduction); config.loss names it. The gradient is that of `loss`, or of its sum where
  config.reduction is none. "lossKinds" has the losses and options that "losses" lacks, every
  reduction, and "…/edges": zeros, negatives, kinks, certain answers. Negative targets of class
  numbers are there for ignoreClass alone.
- metric: two batches (now and then one) of different size, accumulated; inputs yTrue1, yPred1,
  [sampleWeight1], yTrue2, …; outputs result1, result2: the figure after each batch, a scalar or
  one for each class, label or threshold; config.metric names it. "…/steps/…" has time steps with a
  weight each. "perplexity" is the exponential of Keras's mean SparseCategoricalCrossentropy.
- optimizer: config.optimizer names it, the rest are its options; inputs gradient1.a, gradient1.b, …,
  one pair a step; weights a, b; outputs a1, b1, …: the weights after each step.
  In "tables" ids [10, 6] name rows of a, whose gradients are rows [10, 6, 3].
  In "optimizerKinds" all steps of one tensor are one, [10, …]: inputs gradient.a, gradient.b; outputs
  a, b, with useEma average.a, average.b (the moving averages after each step), with a schedule as
  config.learningRate, { kind, config }, learningRate: the rate that each step used.
  excludeFromWeightDecay lists weights by name.
- schedule: config.schedule names it; input step, 0 to 29; output learningRate at each.
- regularizer: config.regularizer names it; input x, output penalty, its gradient under x.
- constraint: config.constraint names it; input x (weights of any rank), output x.
- sequential ("models", "penalized", "pictures"): config.layers, optimizer, loss; inputs x, y, [sampleWeight]; weights 0.kernel, …;
  outputs prediction (before training), loss1, …, and 1.0.kernel, …: the weights after each step.
  With config.steps ("penalized") the losses are one output, loss [steps], the weights those after the
  first and the last step, and the gradients those of the first loss. Losses contain the penalties, as
  Keras reports them. "masked/activity" is Keras's, which penalises masked steps; in "…/unmasked" a layer
  unmaskedActivity, made for it, leaves them out. "embedding/…" are dense updates; in "…/asInKeras" a
  sparseEmbedding has Keras's, in which the gradients of a row that is used twice are squared one by one.
- functional: config.inputs, outputs: names; layers: { name: { kind, config } }; calls, in order:
  { layer, inputs: names of inputs and results, [states: names of initial states], output: name of the
  result, or names of several }; optimizer, loss (one, or by output), lossWeights, metrics,
  weightedMetrics. A layer of the kind functional is a model: inputs { name: shape }, layers, calls,
  outputs, of one name each; one of the kind sequential has layers, a list. Inputs x.NAME, y.NAME,
  [sampleWeight.NAME]; weights LAYER.kernel, …, LAYER.INNER.kernel of a model's (0, 1, … in a sequential
  one); outputs prediction.NAME (before training), 10.LAYER.kernel, … (after ten steps on one batch), and
  what Keras reported of each step, under its own names, each [10]: log.loss, log.a_loss,
  log.a_accuracy, …. With one output Keras names no output: log.accuracy. The gradients are those of the
  first loss.

Keras's own slips are left out: the mask that goBackwards with returnSequences passes on (unreversed
in Keras) appears nowhere, nor does the mean of no steps (NaN). What it makes of masks is otherwise
kept, sense or not: globalMaxPooling1d, dot, permute, padding and cropping do not look at them.
"""

import sys

import keras_layers
import keras_losses
import keras_metrics
import keras_models
import keras_optimizers
import keras_penalties
import keras_recurrent
from golden_file import Group
from keras_cases import SOURCE

GROUPS = {
    "masks": keras_recurrent.masks,
    "units": keras_recurrent.units,
    "options": keras_recurrent.options,
    "cellActivations": keras_recurrent.cell_activations,
    "keras2Activations": keras_recurrent.keras2_activations,
    "stateful": keras_recurrent.stateful,
    "bidirectional": keras_recurrent.bidirectional,
    "stackedCells": keras_recurrent.stacked_cells,
    "activations": keras_layers.activations,
    "losses": keras_losses.losses,
    "lossKinds": keras_losses.loss_kinds,
    "metrics": keras_metrics.metrics,
    "optimizers": keras_optimizers.optimizers,
    "optimizerKinds": keras_optimizers.optimizer_kinds,
    "tables": keras_optimizers.tables,
    "schedules": keras_optimizers.schedules,
    "regularizers": keras_penalties.regularizers,
    "constraints": keras_penalties.constraints,
    "embedding": keras_layers.embedding,
    "timeDistributed": keras_layers.time_distributed,
    "reshaping": keras_layers.reshaping,
    "merging": keras_layers.merging,
    "pooling": keras_layers.pooling,
    "windows": keras_layers.windows,
    "normalization": keras_layers.normalization,
    "elementwiseLayers": keras_layers.elementwise_layers,
    "models": keras_models.models,
    "penalized": keras_models.penalized,
    "functional": keras_models.functional,
    "pictures": keras_models.pictures,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or GROUPS:
        group = Group(name, SOURCE)
        GROUPS[name](group)
        group.write()
