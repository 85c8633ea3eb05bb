import { join } from "node:path";
import { cacheFolder, find, howToGet } from "./locate.js";
import { findMnist } from "./mnist.js";
import { type DataSet, dataSets } from "./sets.js";

/** Whether a data set is here. */
export interface DescribedDataset {
  readonly name: string;
  /** What it holds, in a line. */
  readonly title: string;
  /** Whether all its files are on this machine. */
  readonly isHere: boolean;
  readonly files: readonly {
    readonly name: string;
    /** Where it is; undefined where it is not here. */
    readonly path: string | undefined;
    /** How it comes here, in a sentence without its full stop: from which address, and where it goes. */
    readonly howToGet: string;
  }[];
}

/** All data sets that Rondo finds by name, and whether they are here. Downloads nothing. */
export function describeDatasets(): readonly DescribedDataset[] {
  return [findMnist(), ...Object.values<DataSet>(dataSets).map(found)].map((set) => ({
    ...set,
    isHere: set.files.every(({ path }) => path !== undefined),
  }));
}

const found = (set: DataSet): Omit<DescribedDataset, "isHere"> => ({
  name: set.name,
  title: set.title,
  files: set.files.map((file) => ({
    name: file.name,
    path: find(set, file)?.path,
    howToGet: `${howToGet(file, join(cacheFolder(set), file.name))}; what needs it downloads it`,
  })),
});
