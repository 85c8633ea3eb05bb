import { resolve } from "node:path";
import { Command } from "commander";
import { RondoError } from "../errors.js";
import { writeFiles } from "../files/files.js";
import { flagOf, goalsIn, type StoredResult, type StoredRun, version, written } from "../recipe/index.js";
import { learningCurves, type RunHistory, renderReport, type Section, table } from "../report/index.js";
import { heading } from "../report/words.js";
import { argument, type CommandContext, examples, exitCodes, folder } from "./command.js";
import { storedRun } from "./saved.js";

interface CompareFlags {
  readonly out: string;
  readonly json?: boolean;
}

/** A run beside others. */
interface Compared {
  /** As its folder was given. */
  readonly name: string;
  readonly run: StoredRun;
  readonly result: StoredResult;
  readonly histories: Readonly<Record<string, RunHistory>>;
}

/** `rondo compare <run> <run>…`. */
export const compareCommand = (context: CommandContext): Command =>
  new Command("compare")
    .description(
      "puts runs beside each other on one page: their figures, the settings that differ, their curves together",
    )
    .argument("<runs...>", "the folders that rondo train wrote, two or more")
    .option("--out <folder>", "folder that compare.html is written into", argument(folder), ".")
    .option("--json", "the figures and the settings that differ as JSON, and no page")
    .addHelpText(
      "after",
      "\nExit codes: 0 done; 1 where a run cannot be read; 2 for a wrong command line, or for less than two runs.",
    )
    .addHelpText(
      "after",
      examples(
        "rondo compare runs/first runs/second",
        "rondo compare runs/* --out pages",
        "rondo compare runs/first runs/second --json",
      ),
    )
    .action((runs: readonly string[], flags: CompareFlags) => compare(runs, flags, context));

async function compare(
  names: readonly string[],
  { out, json }: CompareFlags,
  context: CommandContext,
): Promise<void> {
  const twice = names.find((name, i) => names.findIndex((other) => resolve(other) === resolve(name)) !== i);
  if (names.length < 2 || twice !== undefined) {
    context.end(exitCodes.usage);
    throw new RondoError({
      where: "compare",
      received: twice === undefined ? `${names.length} run` : `${twice} twice`,
      expected: "two runs or more, each once",
      fix: "Give their folders: rondo compare runs/first runs/second",
    });
  }
  const all: Compared[] = [];
  for (const name of names) {
    const run = await storedRun(name, context);
    all.push({ name, run, result: await run.result(), histories: await run.history() });
  }
  const figures = unique(all.flatMap(({ result }) => Object.keys(result.figures)));
  const settings = differing(all.map(({ run }) => settingsOf(run)));
  if (json === true) {
    const runs = all.map(({ name, run, result }, i) => ({
      folder: resolve(name),
      recipe: run.recipe.name,
      backend: result.backend,
      figures: result.figures,
      settings: Object.fromEntries(settings.map(({ name: setting, values }) => [setting, values[i] ?? null])),
    }));
    console.log(JSON.stringify({ runs }));
    return;
  }
  const sections: Section[] = [
    table({
      title: "Figures",
      columns: ["figure", ...names],
      rows: figures.map((figure) => [
        heading(figure),
        ...all.map(({ result }) => result.figures[figure] ?? "–"),
      ]),
    }),
    table({
      title: "Settings that differ",
      ...(settings.length === 0 ? { note: "None." } : {}),
      columns: ["setting", ...names],
      rows: settings.map(({ name, values }) => [name, ...values.map((value) => value ?? "–")]),
    }),
    ...curves(all),
  ];
  const recipes = unique(all.map(({ run }) => run.recipe.title));
  const page = await renderReport({
    title: `${names.length} runs beside each other`,
    description: `${recipes.join(". ")}.`,
    date: new Date(),
    headline: all.map(({ name, run, result }) => ({
      label: name,
      ...headlineOf(run, result),
    })),
    sections,
    configuration: Object.fromEntries(
      all.map(({ name, run }) => [name, `${run.recipe.name}, seed ${run.settings.seed}`]),
    ),
    environment: {
      rondo: version(),
      ...Object.fromEntries(all.map(({ name, result }) => [name, result.backend])),
    },
  });
  await writeFiles(out, { "compare.html": page });
  console.log(`Figures, settings and curves: ${resolve(out, "compare.html")}`);
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

/** The figure that the run's recipe is measured by. */
function headlineOf({ recipe }: StoredRun, { figures }: StoredResult): { value: string; note: string } {
  const name = goalsIn(recipe.goal)[0]?.figure ?? Object.keys(figures)[0] ?? "";
  const value = figures[name];
  return { value: value === undefined ? "–" : value.toPrecision(4), note: heading(name) };
}

/** All settings of a run as they are written on a command line. */
function settingsOf({ recipe, settings }: StoredRun): Map<string, string> {
  const { options, data, ...common } = settings;
  const all = { recipe: recipe.name, ...common, ...(data === undefined ? {} : { data }), ...options };
  return new Map(Object.entries(all).map(([name, value]) => [flagOf(name), written(value)]));
}

/** What is not the same in all runs. */
function differing(
  all: readonly ReadonlyMap<string, string>[],
): { readonly name: string; readonly values: readonly (string | undefined)[] }[] {
  return unique(all.flatMap((one) => [...one.keys()]))
    .map((name) => ({ name, values: all.map((one) => one.get(name)) }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** The curves of all runs together, those in epochs and those in steps apart. */
function curves(all: readonly Compared[]): Section[] {
  const named = all.flatMap(({ name, histories }) =>
    Object.entries(histories).map(
      ([part, history]) => [part === "" ? name : `${name}: ${part}`, history] as const,
    ),
  );
  return (["epoch", "step"] as const).flatMap((unit) => {
    const some = named.filter(([, history]) => history.unit === unit);
    return some.length === 0 ? [] : [learningCurves(Object.fromEntries(some))];
  });
}
