import { RondoError } from "../errors.js";
import type { WeightEntry } from "../layers/component.js";
import { shapeText, type Tensor } from "../tensor.js";
import type { EngineSnapshot, SlotPlace } from "./slots.js";

/** Throws where states or slots are not those of the model. */
export function checkSnapshot(
  { states, optimizer }: EngineSnapshot,
  own: readonly (readonly number[])[],
  places: ReadonlyMap<string, readonly SlotPlace[]> | undefined,
): void {
  const refuse = (received: string, expected: string) => {
    throw new RondoError({
      where: "restore",
      received,
      expected,
      fix: "Restore a snapshot of a model with the same layers, compiled with the same optimizer",
    });
  };
  const text = (shapes: readonly (readonly number[])[]) => shapes.map(shapeText).join(", ") || "none";
  const given = text(states.map(({ shape }) => shape));
  if (given !== text(own)) refuse(`recurrent states ${given}`, text(own));
  if (optimizer === undefined || places === undefined) return;
  for (const [name, list] of places) {
    const wanted = text(list.map(({ shape }) => shape));
    const found = text((optimizer.slots.get(name) ?? []).map(({ shape }) => shape));
    if (found !== wanted) refuse(`the optimizer's ${name}: ${found}`, wanted);
  }
}

/** The error for weights that are not those of a model: in their number, their order or their shapes. */
export function unlikeWeights(weights: readonly Tensor[], places: readonly WeightEntry[]): RondoError {
  const refuse = (received: string, expected: string, fix: string) =>
    new RondoError({ where: "setWeights", received, expected, fix });
  const sameLayers = "Take the weights from a model with the same layers";
  if (weights.length !== places.length)
    return refuse(`${weights.length} arrays`, `${places.length} arrays, as getWeights gives`, sameLayers);
  const given = weights.map(({ shape }) => shapeText(shape));
  const own = places.map(({ weight }) => shapeText(weight.shape));
  const wrong = own.findIndex((shape, i) => shape !== given[i]);
  const reordered = [...given].sort().join() === [...own].sort().join();
  return refuse(
    `an array of shape ${given[wrong]} for ${places[wrong]?.path}`,
    `shape ${own[wrong]}`,
    reordered
      ? "The arrays seem to be the model's in another order: put them in the order of weightNames(), by their names"
      : sameLayers,
  );
}
