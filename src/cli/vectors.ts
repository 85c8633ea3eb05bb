import { randomInt } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { writeWordVectors } from "../data/writeVectors.js";
import { RondoError, within } from "../errors.js";
import { checkFolder } from "../files/files.js";
import { Unreadable } from "../recipe/index.js";
import { number, wholeNumber } from "../recipe/readers.js";
import { clock } from "../train/callbacks/progressBar.js";
import {
  type TrainedVectors,
  trainWordVectors,
  type VectorsOptions,
  type VectorsProgress,
  type VectorsRun,
} from "../vectors/index.js";
import { vectorsFields } from "../vectors/options.js";
import {
  addBackendFlags,
  argument,
  type BackendFlags,
  type CommandContext,
  type ExitCode,
  examples,
  exitCodes,
  onBackend,
} from "./command.js";

const formats = { text: "word2vec", binary: "word2vecBinary" } as const;

interface VectorsFlags extends BackendFlags {
  readonly output?: string;
  readonly format: keyof typeof formats;
  readonly vectorSize?: number;
  readonly window?: number;
  readonly negative?: number;
  readonly minCount?: number;
  readonly sample?: number;
  readonly epochs?: number;
  readonly learningRate?: number;
  readonly seed?: number;
  readonly lowercase?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const defaultOf = (name: keyof typeof vectorsFields): string => `(default: ${vectorsFields[name].initial})`;

/** `rondo vectors <text>`. */
export function vectorsCommand({ reader, end }: CommandContext): Command {
  const command = new Command("vectors")
    .description(
      "trains vectors of the words of a text (skip-gram with negative sampling) and writes them in word2vec's formats",
    )
    .argument(
      "<text>",
      "a UTF-8 file, a sentence a line, packed with gzip or not; - for standard input",
      argument(file),
    )
    .option("--output <file>", "file to write (required); replaces one that is there", argument(file))
    .addOption(
      new Option("--format <name>", "how it is written").choices(Object.keys(formats)).default("text"),
    )
    .option(
      "--vector-size <n>",
      `numbers of each vector ${defaultOf("vectorSize")}`,
      argument(wholeNumber(1)),
    )
    .option(
      "--window <n>",
      `words on either side that count as neighbours, at most ${defaultOf("window")}`,
      argument(wholeNumber(1, 4096)),
    )
    .option(
      "--negative <n>",
      `words drawn as no neighbours, for each neighbour ${defaultOf("negative")}`,
      argument(wholeNumber(1, 255)),
    )
    .option(
      "--min-count <n>",
      `words that come less often are left out ${defaultOf("minCount")}`,
      argument(wholeNumber(1)),
    )
    .option(
      "--sample <x>",
      `share of the text above which words are left out here and there; 0: none ${defaultOf("sample")}`,
      argument(number({ least: 0 })),
    )
    .option("--epochs <n>", `passes over the text ${defaultOf("epochs")}`, argument(wholeNumber(1)))
    .option(
      "--learning-rate <x>",
      `where it begins; it falls to ${vectorsFields.minLearningRate.initial} ${defaultOf("learningRate")}`,
      argument(number({ above: 0 })),
    )
    .option("--seed <n>", "all that is drawn follows from it (default: a new one)", argument(wholeNumber(0)))
    .option("--lowercase", "read words in small letters");
  return addBackendFlags(command)
    .option("--json", "the result as one line of JSON; progress on a terminal alone")
    .option("--quiet", "no progress, and no result but that of --json")
    .addHelpText(
      "after",
      "\nThe same text, options and seed give the same vectors, with any number of threads.\nExit codes: 0 where the file was written; 1 where it was not; 2 for a wrong command line; 130 after Ctrl-C, which writes nothing.",
    )
    .addHelpText(
      "after",
      examples(
        "rondo vectors corpus.txt --output vectors.txt",
        "rondo vectors corpus.txt.gz --output vectors.bin --format binary --vector-size 300 --epochs 10",
        "cat *.txt | rondo vectors - --output vectors.txt --lowercase --seed 1 --json",
      ),
    )
    .action(async (text: string, { output, ...flags }: VectorsFlags) => {
      // A required option of commander's hides that its name is misspelt.
      if (output === undefined)
        return command.error("error: required option '--output <file>' not specified");
      end(await vectors(text, { ...flags, output }, reader));
    });
}

function file(text: string): string {
  if (text.trim() !== "") return text;
  throw new Unreadable("Give the name of a file.");
}

async function vectors(
  text: string,
  flags: VectorsFlags & { readonly output: string },
  reader: AbortSignal,
): Promise<ExitCode> {
  const { output, format, json = false, quiet = false, backend, threads, ...given } = flags;
  const path = resolve(output);
  await checkOutput(path);
  const options = { ...given, seed: flags.seed ?? randomInt(2 ** 31) };
  const abort = new AbortController();
  const stop = () => abort.abort();
  const onInterrupt = () => {
    if (abort.signal.aborted) process.exit(exitCodes.interrupted);
    stop();
  };
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onInterrupt);
  reader.addEventListener("abort", stop);
  const printer = new Printer({ json, quiet });
  try {
    const { result, computed } = await onBackend(flags, async (made) => {
      printer.say(`Running on ${made.name}, seed ${options.seed}.`);
      const run = {
        backend: made,
        folder: dirname(path),
        signal: abort.signal,
        onProgress: (progress: VectorsProgress) => printer.show(progress),
      };
      return { result: await trained(text, options, run), computed: made.name };
    });
    await writeWordVectors(path, result.vectors, formats[format]);
    printer.clear();
    if (json) console.log(JSON.stringify(summary(result, path, format, computed)));
    else if (!quiet) for (const line of report(result, path)) console.log(line);
    return exitCodes.done;
  } catch (error) {
    printer.clear();
    if (error !== abort.signal.reason || !abort.signal.aborted) throw error;
    console.error("Interrupted: nothing was written.");
    return exitCodes.interrupted;
  } finally {
    process.off("SIGINT", onInterrupt);
    process.off("SIGTERM", onInterrupt);
    reader.removeEventListener("abort", stop);
  }
}

/** @param text a path, or - for standard input */
async function trained(text: string, options: VectorsOptions, run: VectorsRun): Promise<TrainedVectors> {
  if (text !== "-") return trainWordVectors(text, options, run);
  try {
    return await trainWordVectors(process.stdin, options, run);
  } catch (error) {
    throw within("standard input", error);
  }
}

/** Throws where the file cannot be written, before the text is read. */
async function checkOutput(path: string): Promise<void> {
  const folder = dirname(path);
  const found = await stat(folder).catch(() => undefined);
  if (found !== undefined) return checkFolder(folder, [basename(path)]);
  throw new RondoError({
    where: "rondo vectors",
    received: `--output ${path}, in a folder that does not exist`,
    expected: "a file in a folder that exists",
    fix: `Make the folder ${folder} first, or check the path`,
  });
}

/** What the end of a training says. */
function report(
  { vectors, tokens, sentences, forgotten, settings, seconds }: TrainedVectors,
  path: string,
): string[] {
  const rate = whole((tokens * settings.epochs) / seconds.training);
  return [
    `Read ${whole(tokens)} words in ${whole(sentences)} sentences in ${took(seconds.reading)}; trained on them in ${took(seconds.training)}, ${rate} words/s.`,
    ...(forgotten === 0
      ? []
      : [`Of the words that come rarely, ${whole(forgotten)} were forgotten while it was read.`]),
    `Wrote vectors of ${settings.vectorSize} numbers for ${whole(vectors.size)} words to ${path}.`,
  ];
}

/** The same for programs. */
function summary(result: TrainedVectors, output: string, format: string, backend: string) {
  const { vectors, tokens, sentences, forgotten, settings, seconds } = result;
  const wordsPerSecond = Math.round((tokens * settings.epochs) / seconds.training);
  return {
    output,
    format,
    words: vectors.size,
    tokens,
    sentences,
    forgotten,
    ...settings,
    seconds,
    wordsPerSecond,
    backend,
  };
}

const took = (seconds: number): string => (seconds < 60 ? `${seconds.toFixed(1)} s` : clock(seconds));
const whole = (value: number): string => Math.round(value).toLocaleString("en");

/** Least time between two drawings of a line about progress, and between two such lines in a log, ms. */
const interval = { drawn: 50, written: 10_000 };
const barWidth = 20;

/** How a training goes on, on standard error: lines, and one that is drawn over on a terminal. */
class Printer {
  readonly #silent: boolean;
  readonly #drawn = process.stderr.isTTY === true;
  #shownAt = performance.now();

  constructor({ json, quiet }: { readonly json: boolean; readonly quiet: boolean }) {
    this.#silent = quiet || (json && !this.#drawn);
  }

  say(line: string): void {
    if (this.#silent) return;
    this.clear();
    console.error(line);
  }

  show(progress: VectorsProgress): void {
    const now = performance.now();
    if (this.#silent || now - this.#shownAt < (this.#drawn ? interval.drawn : interval.written)) return;
    this.#shownAt = now;
    if (this.#drawn) process.stderr.write(`\r\u001b[K${progressText(progress)}`);
    else console.error(progressText(progress));
  }

  /** Takes the line about progress away. */
  clear(): void {
    if (this.#drawn && !this.#silent) process.stderr.write("\r\u001b[K");
  }
}

function progressText(progress: VectorsProgress): string {
  if (progress.phase === "reading") return `Reading: ${whole(progress.words)} words`;
  const { words, share, epoch, epochs, seconds } = progress;
  const done = Math.floor(share * barWidth);
  const bar = "━".repeat(done) + "─".repeat(barWidth - done);
  const left = share === 0 ? "" : `, ${clock((seconds * (1 - share)) / share)} left`;
  return `Epoch ${epoch + 1}/${epochs} ${bar} ${Math.floor(100 * share)} %, ${whole(words / seconds)} words/s${left}`;
}
