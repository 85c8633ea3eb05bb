import { describe, expect, it } from "vitest";
import { distinct, listOf, number, oneOf, type Reader, Unreadable, wholeNumber } from "./readers.js";

/** What a reader says to a text that it does not take. */
function refusal(read: Reader<unknown>, text: string): string {
  try {
    return `read ${JSON.stringify(read(text))}`;
  } catch (error) {
    if (error instanceof Unreadable) return error.message;
    throw error;
  }
}

describe("readers", () => {
  it.each([
    ["a whole number", wholeNumber(1), "12", 12],
    ["a whole number in powers of ten", wholeNumber(0), "1e3", 1000],
    ["its bounds", wholeNumber(1, 2), "2", 2],
    ["a number", number(), "-0.5", -0.5],
    ["a number at a closed limit", number({ least: 0, most: 1 }), "1", 1],
    ["a choice", oneOf(["lstm", "bilstm"]), "bilstm", "bilstm"],
    ["a list", listOf(wholeNumber(1)), "128, 64", [128, 64]],
    ["a list of one", listOf(wholeNumber(1)), "128", [128]],
    ["a list of choices", distinct(listOf(oneOf(["a", "b", "c"]))), "c,a", ["c", "a"]],
  ])("read %s", (_, read: Reader<unknown>, text, value) => {
    expect(read(text)).toEqual(value);
  });

  it.each([
    [wholeNumber(1), "0", "Give a whole number, 1 or larger."],
    [wholeNumber(1), "1.5", "Give a whole number, 1 or larger."],
    [wholeNumber(1), "", "Give a whole number, 1 or larger."],
    [wholeNumber(1, 8), "9", "Give a whole number from 1 to 8."],
    [wholeNumber(0), "1e300", "Give a whole number from 0 to 9007199254740991."],
    [number(), "x", "Give a number."],
    [number(), "Infinity", "Give a number."],
    [number(), " ", "Give a number."],
    [number({ above: 0, most: 1 }), "0", "Give a number above 0 and of at most 1."],
    [number({ above: 0, most: 1 }), "1.1", "Give a number above 0 and of at most 1."],
    [number({ least: 0, below: 1 }), "-0.1", "Give a number of at least 0 and below 1."],
    [number({ least: 0, below: 1 }), "1", "Give a number of at least 0 and below 1."],
    [oneOf(["lstm", "bilstm"]), "bilstn", "Give one of lstm, bilstm. Did you mean bilstm?"],
    [oneOf(["lstm", "bilstm"]), "x", "Give one of lstm, bilstm."],
    [listOf(wholeNumber(1)), "128,0", 'In the list, "0" does not fit. Give a whole number, 1 or larger.'],
    [listOf(wholeNumber(1)), "", "Give a whole number, 1 or larger."],
    [distinct(listOf(oneOf(["a", "b"]))), "a,b,a", "Give each once: a stands in the list twice."],
  ])("refuse what does not fit and say what does: %#", (read: Reader<unknown>, text, message) => {
    expect(refusal(read, text)).toBe(message);
  });
});
