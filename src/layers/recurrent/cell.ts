import type { Fields, JsonObject, OptionsOf, SettingsOf } from "../../config/config.js";
import { flag, notSaved, optionalName } from "../../config/fields.js";
import { RondoError, valueText } from "../../errors.js";
import { type Dim, equal, type Shape } from "../../graph/dim.js";
import { SymbolicTensor } from "../../graph/ir.js";
import type { ScanOptions, Step } from "../../graph/ops/scan.js";
import { Component, type Definition, resultText, type WeightContext } from "../component.js";

// B batch, D input features, H units.

/** The fields that every cell has. */
export const cellFields = {
  /** Default: the class name in snake case. */
  name: notSaved(optionalName),
  /** Whether training changes the cell's weights; default true. */
  trainable: flag(true),
};
/** The fields that every cell's configuration has. */
export type CellFields = typeof cellFields;

/** A built-in cell class's definition from its own fields. */
export const defineCell = <F extends Fields>(className: string, fields: F): Definition<F & CellFields> => ({
  className,
  fields: { ...cellFields, ...fields },
});

/**
 * The definition of a cell class of your own from its fields: `defineCell` of the package.
 *
 * @param className its name in files
 * @param rules `registeredName`: the name by which the class is registered in Python; default: its class name
 */
export const defineOwnCell = <F extends Fields>(
  className: string,
  fields: F,
  { registeredName = className }: Pick<Definition<F>, "registeredName"> = {},
): Definition<F & CellFields> => ({ ...defineCell(className, fields), registeredName });

/** What a cell computes in one time step. */
export interface CellOutput {
  /** [B, ..] */
  readonly output: SymbolicTensor;
  /** As many, and of the same shapes, as the cell's states. */
  readonly states: readonly SymbolicTensor[];
  /** What there is to see within the step, [B, ..] each, by the letters of the equations: the gates of an LSTM. */
  readonly inner?: Readonly<Record<string, SymbolicTensor>>;
}

/** A cell at work on a batch of sequences. */
export interface CellRun {
  /** How many of the states are its own. */
  readonly stateCount: number;
  /** [B, D], multiplies the input of every step; drawn once for all. */
  readonly inputDropout?: SymbolicTensor | undefined;
  /** Values that are the same in every step, in the order that the fused kernels take. */
  readonly constants: readonly SymbolicTensor[];
  step(
    x: SymbolicTensor,
    states: readonly SymbolicTensor[],
    constants: readonly SymbolicTensor[],
  ): CellOutput;
  /** The kernel that computes the same over a whole sequence. */
  readonly fused?: ScanOptions["fused"];
}

/**
 * The equations of one time step. Time, masks, direction and state belong to the layer around it. A cell of your own
 * extends this class, declares weights in `declareWeights` and computes in `call` with the ops; whatever it reads there
 * (weights, encoder states) may be any value of the model.
 */
export abstract class Cell<F extends CellFields = CellFields> extends Component<F> {
  declare readonly settings: SettingsOf<F> & SettingsOf<CellFields>;
  #builtFor: Shape | undefined;

  constructor(definition: Definition<F>, options: OptionsOf<F>) {
    super(definition, options);
    const { name } = this.settings;
    if (name !== null) this.assignName(name);
  }

  /** Shapes of the states without the batch axis: `[[units], [units]]` for an LSTM. */
  abstract get stateShapes(): readonly (readonly number[])[];

  /** Which state is also the output (0 for an LSTM's h); undefined where none is. */
  get outputState(): number | undefined {
    return undefined;
  }

  /** Shape of the output without the batch axis; default: that of the first state. */
  get outputShape(): readonly number[] {
    return this.stateShapes[this.outputState ?? 0] ?? [];
  }

  /** Rank of one step's input [B, ..]; undefined: any. */
  get inputRank(): number | undefined {
    return undefined;
  }

  /**
   * Declares the weights, once; a cell in several places has them in common.
   *
   * @param stepShape [B, ..] of one step's input
   * @throws RondoError where its last axis has another size than the weights were made for
   */
  build(stepShape: Shape): void {
    const before = this.#builtFor?.at(-1);
    if (this.#builtFor === undefined) {
      this.declareWeights(stepShape);
      this.#builtFor = stepShape;
    } else if (before !== undefined && this.weights().length > 0 && !equal(before, stepShape.at(-1) ?? -1)) {
      throw this.error(
        `steps of ${stepShape.at(-1)} features`,
        `${before} features, as in the sequences the cell was built for`,
        "Make a second cell: one in several places has the same weights in all of them",
      );
    }
  }

  /** Declares the weights with `addWeight`; runs once. */
  protected declareWeights(_stepShape: Shape): void {}

  /** One time step: x [B, ..] and the states before it → the output and the states after it. */
  abstract call(x: SymbolicTensor, states: readonly SymbolicTensor[], context: WeightContext): CellOutput;

  /**
   * The cell for a batch of `batch` sequences, whose steps have `features` features. Several: a chain, each of which
   * runs over the whole output sequence of the one before, which is the same as going through all in every step.
   */
  begin(_batch: Dim, _features: Dim, context: WeightContext): readonly CellRun[] {
    const step: CellRun["step"] = (x, states) => this.callChecked(x, states, context);
    return [{ stateCount: this.stateShapes.length, constants: [], step }];
  }

  /** What `call` gives, if that is an output and states. */
  callChecked(x: SymbolicTensor, before: readonly SymbolicTensor[], context: WeightContext): CellOutput {
    const result: unknown = this.call(x, before, context);
    const { output, states } = Object(result) as { readonly output?: unknown; readonly states?: unknown };
    if (Array.isArray(states) && [output, ...states].every((y) => y instanceof SymbolicTensor)) {
      return result as CellOutput;
    }
    throw this.error(
      `${resultText(result)} from call`,
      "{ output, states }: a value made with ops, and a list of such values",
      "Return { output: h, states: [h] }, where a cell of Keras returns h, [h]",
    );
  }

  override config(): JsonObject {
    return { name: this.name ?? null, ...super.config(), dtype: "float32" };
  }
}

/** The value as a cell; an error where it is none. */
export function cellOf(value: unknown, where: string): Cell {
  if (value instanceof Cell) return value;
  throw new RondoError({
    where,
    received: valueText(value),
    expected: "a cell",
    fix: "Give lstmCell({ units: 32 }), an object of your own class that extends Cell, or a list of cells",
  });
}

/** One output and the new states as `scan` takes them. */
export const asStep = ({ output, states }: CellOutput): Step => ({ outputs: [output], states });
