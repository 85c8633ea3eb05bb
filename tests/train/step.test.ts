import { describe, expect, it } from "vitest";
import { atOnce } from "../../src/breather.js";
import { batchShape, type DeclaredTensor, input } from "../../src/layers/index.js";
import { entriesOf } from "../../src/models/engine.js";
import { Network } from "../../src/models/network.js";
import { Arrangement } from "../../src/models/parameters.js";
import {
  type Assembly,
  makeCounters,
  makeOptimizerState,
  predictionSteps,
  type Types,
  trainingSteps,
} from "../../src/models/trace.js";
import { Objective } from "../../src/train/objective.js";
import { type GoldenCase, type GoldenTensor, goldenError, loadGolden } from "../golden/load.js";
import { interpret, known, scalar, type Values } from "../reference.js";
import { goldenLayers, goldenObjective } from "./goldenModel.js";

function assembly(golden: GoldenCase): Assembly {
  const x = input({ shape: known(golden.inputs.x, "x").shape.slice(1) });
  const output = goldenLayers(golden).reduce<DeclaredTensor>((value, layer) => layer.apply(value), x);
  const network = new Network("model", [["", x]], [["", output]]);
  const arrangement = new Arrangement(entriesOf(network), ({ trainable }) => String(trainable));
  return { network, arrangement, counters: makeCounters(), warn: () => {} };
}

const values = ({ shape, data }: GoldenTensor): Values => ({ shape, data: Float64Array.from(data) });
const join = (tensors: readonly GoldenTensor[]): Float64Array =>
  Float64Array.from(tensors.flatMap((t) => [...t.data]));

describe("three training steps agree with Keras", () => {
  for (const golden of loadGolden("models")) {
    it(golden.name, () => {
      const net = assembly(golden);
      const objective = new Objective(goldenObjective(golden));
      const { optimizer } = objective;
      const { x, y, sampleWeight } = golden.inputs;
      const output = batchShape(known(y, "y").shape.slice(1));
      const types: Types = {
        x: [{ shape: batchShape(known(x, "x").shape.slice(1)), dtype: "float32" }],
        y: [{ shape: output, dtype: "float32" }],
        ...(sampleWeight === undefined ? {} : { sampleWeight: [batchShape([])] }),
      };
      const inputs = Object.fromEntries(Object.entries(golden.inputs).map(([name, t]) => [name, values(t)]));
      const bindings = { B: known(x, "x").shape[0] ?? 0 };

      const weights = join(Object.values(golden.weights));
      const [group] = net.arrangement.groups;
      expect(known(group, "weights").variable.shape).toEqual([weights.length]);
      const optimizerState = makeOptimizerState(optimizer, net.arrangement.groups, 1);
      const slots = optimizerState.groups
        .flatMap((own) => [...own.slots.values()])
        .map(({ name, shape }) => [name, { shape, data: new Float64Array(weights.length) }]);
      let state: Record<string, Values> = {
        trainable: { shape: [weights.length], data: weights },
        seed: { shape: [2], data: Float64Array.of(1, 0) },
        step: scalar(0),
        iterations: scalar(0),
        learningRate: scalar(Number(optimizer.learningRate)),
        ...Object.fromEntries(slots),
      };
      const predicted = interpret(atOnce(predictionSteps(net, types)), { inputs, state, bindings });
      const prediction = known(golden.outputs.prediction, "prediction");
      expect(goldenError(known(predicted.outputs.prediction, "prediction").data, prediction)).toBeLessThan(
        1e-6,
      );

      const { graph } = atOnce(trainingSteps(net, objective, optimizerState, types));
      for (const step of [1, 2, 3]) {
        const { outputs, updates } = interpret(graph, { inputs, state, bindings });
        const [sum = 0, count = 1] = known(outputs.figures, "figures").data;
        expect(goldenError([sum / count], known(golden.outputs[`loss${step}`], "loss"))).toBeLessThan(1e-6);
        state = { ...state, ...updates };
        const expected = join(
          Object.keys(golden.weights).map((name) => known(golden.outputs[`${step}.${name}`], name)),
        );
        expect(
          goldenError(known(state.trainable, "trainable").data, {
            shape: [weights.length],
            data: Float32Array.from(expected),
            stride: 1,
          }),
        ).toBeLessThan(1e-6);
        expect(known(state.iterations, "iterations").data[0]).toBe(step);
      }
    });
  }
});
