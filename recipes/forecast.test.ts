import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBackend } from "rondo";
import { PredictInput } from "rondo/recipe";
import { afterAll, describe, expect, it } from "vitest";
import { expectSameFigures, reread, trained } from "../tests/recipeRuns.js";
import { recipe } from "./forecast.js";
import { Random } from "./random.js";

const backend = await createBackend({ threads: 1, warn: () => undefined });
const top = mkdtempSync(join(tmpdir(), "rondo-forecast-"));
afterAll(async () => {
  await backend.close();
  rmSync(top, { recursive: true, force: true });
});

/** Hours of dust that follows the temperature of the hour before, in the form of the real file. */
function hours(count: number): string {
  const random = new Random(3);
  let [warm, dust] = [0, 50];
  const lines = Array.from({ length: count }, (_, i) => {
    dust = 50 + 20 * warm + random.normal();
    warm = 0.7 * warm + random.normal();
    const value = i < 3 || i % 50 === 20 ? "NA" : dust.toFixed(2);
    const [day, hour] = [1 + (Math.floor(i / 24) % 28), i % 24];
    return `${i + 1},2010,${1 + (Math.floor(i / 672) % 12)},${day},${hour},${value},-10,${warm.toFixed(3)},1020,NW,1.79,0,0`;
  });
  return `No,year,month,day,hour,pm2.5,DEWP,TEMP,PRES,cbwd,Iws,Is,Ir\n${lines.join("\n")}\n`;
}

/** Days whose temperature goes up and down within a week. */
const days = (count: number): string =>
  `"Date","Temp"\n${Array.from({ length: count }, (_, i) => {
    const [month, day] = [1 + (Math.floor(i / 28) % 12), 1 + (i % 28)];
    const date = `${1981 + Math.floor(i / 336)}-${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
    return `"${date}",${(12 + 5 * Math.sin((2 * Math.PI * i) / 7)).toFixed(1)}`;
  }).join("\n")}\n`;

writeFileSync(join(top, "pollution.csv"), hours(1500));
writeFileSync(join(top, "daily-min-temperatures.csv"), days(900));
const small = { count: 6, learningRate: 0.01, data: top };

describe("the recipe", () => {
  it("learns what the last value does not tell, and says the same again from its folder", async () => {
    const said: string[] = [];
    const run = await trained(
      recipe,
      { ...small, options: { steps: 6, units: 16 } },
      { backend, top, onLine: (text) => said.push(text) },
    );
    const { error, lastValueError, seasonalError, bestBaselineError } = run.result.figures;
    expect(error).toBeLessThan(0.5 * Number(bestBaselineError));
    expect(bestBaselineError).toBe(Math.min(Number(lastValueError), Number(seasonalError)));
    expect(said[0]).toContain("1497 steps, of which 33 miss the value");
    await expectSameFigures(recipe, run);

    const saved = await reread(recipe, run, backend);
    const lines = hours(20).split("\n");
    const input = new PredictInput("hours.csv", new TextEncoder().encode(`${lines.join("\n")}\n`));
    const answers: { readonly line: number; readonly forecast: number }[] = [];
    for await (const answer of recipe.predict(saved, [input]))
      answers.push(answer as unknown as (typeof answers)[number]);
    // The first three hours do not know the value; then six make a window.
    expect(answers.map(({ line }) => line)).toEqual(Array.from({ length: 12 }, (_, i) => 10 + i));
    // What is forecast after a row is the value of the next one.
    const apart = answers
      .slice(0, -1)
      .map(({ line, forecast }) => forecast - Number(lines[line]?.split(",")[5]));
    expect(Math.max(...apart.map(Math.abs))).toBeLessThan(15);
  });

  it("forecasts several steps ahead, of the other series too", async () => {
    const options = { series: "temperatures", steps: 10, horizon: 3, units: 12 };
    const run = await trained(recipe, { ...small, count: 10, options }, { backend, top });
    const { error, bestBaselineError } = run.result.figures;
    expect(error).toBeLessThan(0.5 * Number(bestBaselineError));
    await expectSameFigures(recipe, run);
  });

  it("says which line of a file is no step of its series", async () => {
    const run = await trained(
      recipe,
      { ...small, count: 1, options: { steps: 4, units: 2 } },
      { backend, top },
    );
    const saved = await reread(recipe, run, backend);
    const ask = async (text: string) => {
      for await (const _ of recipe.predict(saved, [
        new PredictInput("hours.csv", new TextEncoder().encode(text)),
      ]));
    };
    await expect(ask("a,b\n1,2\n")).rejects.toThrow(/hours\.csv, line 2.*the columns a, b.*pm2\.5/s);
    await expect(ask(hours(5).replace(",NA,", ",many,"))).rejects.toThrow(
      /hours\.csv, line \d.*many.*a number, or NA/s,
    );
  });
});
