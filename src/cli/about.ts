import type { DescribedDataset } from "../datasets/index.js";
import {
  counted,
  flagOf,
  goalsText,
  type Reached,
  type Recipe,
  type RecipeOption,
  reachedText,
  sourceText,
  type Training,
  written,
} from "../recipe/index.js";

/** A recipe as JSON, with what it was measured to reach. */
export const described = (
  { name, title, adds, goal, source, unit, defaults, options = {}, prediction }: Recipe,
  results: readonly Reached[],
) => ({
  name,
  title,
  adds,
  goal,
  source,
  unit,
  defaults,
  options: Object.entries(options).map(([own, one]) => ({
    name: own,
    usage: usageOf(own, one),
    description: one.description,
    ...(one.choices === undefined ? {} : { choices: one.choices }),
    default: one.default,
  })),
  prediction,
  reached: results.filter(({ recipe }) => recipe === name),
});

/** Some lines a recipe, beside its name. */
export function table(recipes: readonly Recipe[], results: readonly Reached[]): string {
  const width = Math.max(...recipes.map((r) => r.name.length));
  return recipes
    .map((recipe) =>
      [recipe.title, ...about(recipe, results), ...ownOptions(recipe)]
        .map((line, i) => `  ${(i === 0 ? recipe.name : "").padEnd(width)}  ${line}`)
        .join("\n"),
    )
    .join("\n");
}

/** Some lines a data set, beside its name: what it holds, and where each file is or how it comes here. */
export function setsTable(sets: readonly DescribedDataset[]): string {
  const width = Math.max(...sets.map(({ name }) => name.length));
  return sets
    .map(({ name, title, files }) =>
      [
        title,
        ...files.map(({ name: file, path, howToGet }) =>
          path === undefined ? `Not here: ${file}. ${howToGet}.` : `Here: ${path}`,
        ),
      ]
        .map((line, i) => `  ${(i === 0 ? name : "").padEnd(width)}  ${line}`)
        .join("\n"),
    )
    .join("\n");
}

/** What the recipes read and give when they predict; those that do the same stand together. */
export function predictions(recipes: readonly Recipe[]): string {
  const names = new Map<string, string[]>();
  for (const { name, prediction } of recipes) {
    const text = `    Reads ${prediction.reads}.\n    Gives ${prediction.gives}.`;
    names.set(text, [...(names.get(text) ?? []), name]);
  }
  return [...names].map(([text, some]) => `  ${some.join(", ")}\n${text}`).join("\n");
}

/** A recipe's defaults, what they add, the figure to reach, what was reached and the tutorial. */
export function about(
  { name, unit, defaults, adds, goal, source }: Recipe,
  results: readonly Reached[],
): string[] {
  const { settings, options = {} } = source;
  const own = Object.entries(options).map(([flag, value]) => `, ${flagOf(flag)} ${written(value)}`);
  const known = goalsText(source.goal ?? []);
  const reached = known === "" ? "" : `; to reach: ${known}`;
  return [
    `Default: ${settingsText(defaults, unit)}.`,
    ...(adds === undefined ? [] : [adds]),
    `With --as-in-source: ${settingsText(settings, unit)}${own.join("")}, and nothing added${reached}.`,
    `To reach: ${goalsText(goal)}.`,
    // Rows without a bound are in docs/results.md.
    ...results
      .filter((one) => one.recipe === name && one.goal !== undefined)
      .map((one) => `Reached: ${reachedText(one)}.`),
    `Follows ${sourceText(source)}`,
  ];
}

const ownOptions = ({ options = {} }: Recipe): string[] =>
  Object.entries(options).map(([name, own]) => `${usageOf(name, own)}  ${helpOf(own)}`);

export const usageOf = (name: string, { placeholder }: RecipeOption): string =>
  `--${flagOf(name)} <${placeholder}>`;

export function helpOf({ description, choices, default: value }: RecipeOption): string {
  const all = choices === undefined || written(choices) === written(value) ? "" : `${choices.join(", ")}; `;
  return `${description} (${all}default: ${written(value)})`;
}

const settingsText = ({ count, batchSize, learningRate }: Training, unit: Recipe["unit"]): string =>
  `${counted(count, unit)}, batch size ${batchSize}, learning rate ${learningRate}`;
