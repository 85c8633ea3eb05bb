import type { Json, JsonObject } from "../config/config.js";

/** What differs between two pieces of JSON: its path, what it is in one and in the other; null where it is not there. */
export function difference(now: Json, then: Json, path = ""): [path: string, now: Json, then: Json][] {
  if (isObject(now) && isObject(then)) {
    const names = [...new Set([...Object.keys(now), ...Object.keys(then)])];
    return names.flatMap((name) =>
      difference(now[name] ?? null, then[name] ?? null, path === "" ? name : `${path}.${name}`),
    );
  }
  if (Array.isArray(now) && Array.isArray(then) && now.length === then.length)
    return now.flatMap((value: Json, i) => difference(value, then[i] as Json, `${path}[${i}]`));
  return JSON.stringify(now) === JSON.stringify(then) ? [] : [[path, now, then]];
}

const isObject = (json: Json): json is JsonObject =>
  typeof json === "object" && json !== null && !Array.isArray(json);
