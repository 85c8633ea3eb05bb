import { readTable, type Table } from "../data/table.js";
import { checkOptions } from "../errors.js";
import { type LocateOptions, locate, locateNames } from "./locate.js";
import { dataSets } from "./sets.js";

const pollutionColumns = {
  year: "int32",
  month: "int32",
  day: "int32",
  hour: "int32",
  "pm2.5": "float32",
  DEWP: "float32",
  TEMP: "float32",
  PRES: "float32",
  cbwd: "text",
  Iws: "float32",
  Is: "float32",
  Ir: "float32",
} as const;

const temperatureColumns = { Date: "text", Temp: "float32" } as const;

/** Hours in Beijing: fine dust in µg/m³ and the weather. */
export type Pollution = Table<typeof pollutionColumns>;
/** Days in Melbourne: the lowest temperature in °C. */
export type DailyTemperatures = Table<typeof temperatureColumns>;

/**
 * Fine dust (PM2.5) and weather in Beijing, every hour from 2010 to 2014 (Liang et al. 2015): dew point, temperature, air
 * pressure, wind direction and cumulated wind speed, hours of snow and of rain. 2,067 values of the dust are missing: NaN.
 *
 * @throws RondoError where the file is not there and cannot be downloaded, or has other columns
 */
export async function pollution(options: LocateOptions = {}): Promise<Pollution> {
  checkOptions("pollution", options, locateNames);
  const [path = ""] = await locate(dataSets.pollution, options);
  return readTable(path, { columns: pollutionColumns });
}

/**
 * The lowest temperature of each day in Melbourne from 1981 to 1990, in °C; two days, the last of leap years, are left out.
 *
 * @throws RondoError where the file is not there and cannot be downloaded, or has other columns
 */
export async function dailyMinTemperatures(options: LocateOptions = {}): Promise<DailyTemperatures> {
  checkOptions("dailyMinTemperatures", options, locateNames);
  const [path = ""] = await locate(dataSets.dailyMinTemperatures, options);
  return readTable(path, { columns: temperatureColumns });
}
