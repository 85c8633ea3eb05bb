import type { Html } from "../html.js";
import { drawClassification } from "./classes.js";
import type { Classification } from "./classification.js";
import { drawEntities, type Entities } from "./entities.js";
import { drawGates, type Gates } from "./gates.js";
import { drawGeneration, type Generation } from "./generation.js";
import { drawLearningCurves, type LearningCurves } from "./learningCurves.js";
import { drawRegression, type Regression } from "./regression.js";
import { drawRoc, type Roc } from "./roc.js";
import { drawTable, type Table } from "./table.js";
import { drawTagging, type Tagging } from "./tagging.js";
import { drawTransitions, type Transitions } from "./transitions.js";

/** One part of a report: plain data, drawn by its `kind`. */
export type Section =
  | LearningCurves
  | Classification
  | Roc
  | Regression
  | Tagging
  | Entities
  | Transitions
  | Gates
  | Table
  | Generation;

type Drawing<S extends Section> = (section: S) => Html | Promise<Html>;

/** How each kind is drawn. */
const drawings: { readonly [K in Section["kind"]]: Drawing<Extract<Section, { kind: K }>> } = {
  learningCurves: drawLearningCurves,
  classification: drawClassification,
  roc: drawRoc,
  regression: drawRegression,
  tagging: drawTagging,
  entities: drawEntities,
  transitions: drawTransitions,
  gates: drawGates,
  table: drawTable,
  generation: drawGeneration,
};

export function isSection(value: unknown): value is Section {
  const { kind } = Object(value) as { readonly kind?: unknown };
  return typeof kind === "string" && Object.hasOwn(drawings, kind);
}

export async function drawSection(section: Section): Promise<Html> {
  return (drawings[section.kind] as Drawing<Section>)(section);
}
