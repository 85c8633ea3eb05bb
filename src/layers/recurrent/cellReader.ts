import type { StateVariable, SymbolicTensor } from "../../graph/ir.js";
import { cast, mul } from "../../graph/ops/elementwise.js";
import { scan } from "../../graph/ops/scan.js";
import { expandDims, reverse } from "../../graph/ops/shape.js";
import { ones } from "../../graph/ops/source.js";
import type { Component } from "../component.js";
import { type CallContext, defineLayer, type Inputs, type InputTypes, Layer } from "../layer.js";
import { type Recurrent, swap } from "./rnn.js";

// B batch, T time, H units.

const definition = defineLayer("CellReader", {}, { inputs: "several" });

/** What a cell's step holds, by its letter. */
export interface InnerValue {
  /** Which of the cells, where they are stacked. */
  readonly cell: number;
  /** As the equations call it; `h` for the output. */
  readonly letter: string;
}

/**
 * A recurrent layer whose steps can be looked into: it runs the equations of the layer's own cell, with the layer's weights
 * and states, step by step instead of in a fused kernel. Outputs, [B, T, ..] each in the order of the input's steps: what
 * `values` lists, then [B, T]: 1 at the steps that count, 0 at those that are masked. Changes no state.
 */
export class CellReader extends Layer {
  /** What the outputs are, once it was called. */
  values: readonly InnerValue[] = [];

  constructor(readonly recurrent: Recurrent) {
    super(definition, {});
  }

  override parts(): readonly Component[] {
    return [this.recurrent];
  }

  override states(): readonly StateVariable[] {
    return this.recurrent.states();
  }

  protected override checkInputs([x]: InputTypes): void {
    this.recurrent.build([x]);
  }

  override call([x, ...initialState]: Inputs, context: CallContext): readonly SymbolicTensor[] {
    const { cell, settings } = this.recurrent;
    const direct = (y: SymbolicTensor): SymbolicTensor => (settings.goBackwards ? reverse(y, 0) : y);
    const mask = x.mask && direct(swap(x.mask));
    const kept = this.recurrent.states().map((state) => context.readState(state));
    const zeros = cell.stateShapes.map((shape) => ({
      shape: [x.shape[0] ?? 1, ...shape],
      dtype: "float32" as const,
    }));
    const before = [...(initialState.length > 0 ? initialState : kept.length > 0 ? kept : zeros)];
    const values: InnerValue[] = [];
    let ys = direct(swap(cast(x.withMask(undefined), "float32")));
    const outputs = cell.begin(x.shape[0] ?? 1, x.shape.at(-1) ?? 1, context).flatMap((run, place) => {
      let letters: readonly string[] = [];
      const scanned = scan({
        step: ([now = ys], states, constants) => {
          const { output, states: after, inner = {} } = run.step(now, states, constants);
          letters = [...Object.keys(inner), "h"];
          return { outputs: [...Object.values(inner), output], states: after };
        },
        sequences: [run.inputDropout === undefined ? ys : mul(ys, expandDims(run.inputDropout, 0))],
        states: before.splice(0, run.stateCount),
        constants: run.constants,
        mask,
      });
      ys = scanned.outputs.at(-1) ?? ys;
      values.push(...letters.map((letter) => ({ cell: place, letter })));
      return scanned.outputs.map((y) => swap(direct(y)));
    });
    this.values = values;
    return [...outputs, x.mask === undefined ? ones(x.shape.slice(0, 2)) : cast(x.mask, "float32")];
  }
}
