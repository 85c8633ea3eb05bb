/** What the names of figures begin with that were measured on other samples than those of the training. */
export const heldOut = { val_: "validation", test_: "test" } as const;

const heldOutPrefix = new RegExp(`^(${Object.keys(heldOut).join("|")})`);

/** The metric that a figure belongs to: `loss` for `val_loss`. */
export const metricOf = (name: string): string => name.replace(heldOutPrefix, "");

const abbreviations = /\b(lstm|roc)\b/g;

/** A name in words: `learningRate` as "learning rate", `val_loss` as "validation loss", `testF1` as "test F1", `rocArea` as "ROC area". */
export function words(name: string): string {
  return name
    .replace(heldOutPrefix, (prefix) => `${heldOut[prefix as keyof typeof heldOut]} `)
    .replaceAll(
      /([a-z0-9])([A-Z]+)(\d*)/g,
      (_, before: string, letters: string, digits: string) =>
        `${before} ${letters.length === 1 && digits === "" ? letters.toLowerCase() : letters}${digits}`,
    )
    .replaceAll(abbreviations, (letters) => letters.toUpperCase());
}

/** A name in words that begin with a capital. */
export function heading(name: string): string {
  const text = words(name);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A number with four significant digits, or all digits of a whole number below ten million. */
export function figure(value: number): string {
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return value.toLocaleString("en");
  if (size >= 1e-4 && size < 1e6)
    return value.toLocaleString("en", { minimumSignificantDigits: 4, maximumSignificantDigits: 4 });
  return Number.isFinite(value) ? exponential(value, 3) : String(value);
}

/** A number as a power of ten with so many digits after the point: `1.20e-7`. */
export const exponential = (value: number, digits: number): string =>
  value.toExponential(Math.min(100, digits)).replace("e+", "e");

/** A time: `4.9 s`, `38 min 32 s`, `2 h 13 min`. */
export function duration(seconds: number): string {
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return minutes < 60 ? `${minutes} min ${rest} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A share from 0 to 1: `97.9 %`. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
