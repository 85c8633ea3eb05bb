import type { Fields, SettingsOf } from "../../config/config.js";
import { type Configured, configurable, type Factory } from "../../config/configurable.js";
import type { Equation } from "../equations.js";
import { ownName } from "../losses.js";
import type { Figure, Measure, Metric } from "../measure.js";

/** Options of every metric. */
export type MetricFields<F extends Fields> = F & { readonly name: ReturnType<typeof ownName> };

/** The factory of a metric. */
export function metric<F extends Fields>(
  name: string,
  className: string,
  fields: F,
  make: (settings: SettingsOf<F>) => Omit<Measure, "name"> | Omit<Figure, "name">,
): Factory<MetricFields<F>, Metric & Configured> {
  const all: MetricFields<F> = { ...fields, name: ownName(className) };
  return configurable(className, all, (settings): Metric => {
    const own = settings as SettingsOf<F> & { readonly name: string | null };
    return { ...make(own), name: own.name ?? name };
  });
}

/** The mean of an equation's values over what is not masked, by weight. */
export const meanMetric = <F extends Fields>(
  name: string,
  { className, fields, values }: Equation<F>,
  finish?: (mean: number) => number,
): Factory<MetricFields<F>, Metric & Configured> =>
  metric<F>(name, className, fields, (settings) => ({
    ...values(settings),
    ...(finish && { finish }),
  }));

/** A figure that follows from totals of its own. */
export const figure = <F extends Fields>(
  name: string,
  className: string,
  fields: F,
  make: (settings: SettingsOf<F>) => Omit<Figure, "name">,
): Factory<MetricFields<F>, Metric & Configured> => metric<F>(name, className, fields, make);
