/** What stands between files and arrays: datasets, text and its vocabularies, tables, word vectors, scalers, series. */
export type { ByteSource } from "../files/chunks.js";
export {
  type CharacterOptions,
  type CharacterUnit,
  CharacterVocabulary,
  charactersOf,
} from "./characters.js";
export { type ConllOptions, readConll, type TagFaults, type TaggedSentence, tagFaults } from "./conll.js";
export { Coverage } from "./coverage.js";
export {
  type CsvFormat,
  type CsvRow,
  type CsvTextOptions,
  type CsvValue,
  csvText,
  type ReadCsvOptions,
  readCsv,
} from "./csv.js";
export { Dataset, type Sliced, type Slices, type Zipped } from "./dataset.js";
export type { DatasetBatchOptions, PaddedBatchOptions, PaddedShape } from "./datasetBatch.js";
export type { MapOptions } from "./datasetEach.js";
export type { Batched, ByName } from "./datasetElement.js";
export type { DatasetIterator, ElementIterator, ElementSource } from "./datasetIterator.js";
export type { AnyIterable, AnyIterator, Generated, Restorable } from "./datasetSources.js";
export type { DatasetPosition, Order, Position } from "./datasetStage.js";
export { type EntityScore, EntityScores } from "./entityScores.js";
export { MinMaxScaler, type MinMaxScalerOptions } from "./minMaxScaler.js";
export { type PadOptions, padSequences } from "./padding.js";
export {
  type Preprocessing,
  preprocessingText,
  type Restored,
  readPreprocessing,
  writePreprocessing,
} from "./preprocessing.js";
export { type ReadVectorsOptions, readWordVectors, type VectorFormat } from "./readVectors.js";
export type { Saved } from "./saved.js";
export { StandardScaler, type StandardScalerOptions } from "./standardScaler.js";
export { type ColumnData, type ColumnKind, type ReadTableOptions, readTable, type Table } from "./table.js";
export { type SchemeName, type TagBreak, TagScheme, tagScheme } from "./tagScheme.js";
export type { Entity, Span, SpanMode, TagPart } from "./tagSpans.js";
export { readLines, type TextOptions } from "./text.js";
export {
  type MatrixMode,
  Tokenizer,
  type TokenizerOptions,
  type TokenizerText,
  textToWordSequence,
  type WordOptions,
} from "./tokenizer.js";
export {
  countTokens,
  type EncodeOptions,
  type ReservedEntries,
  Vocabulary,
  type VocabularyOptions,
} from "./vocabulary.js";
export { type Window, type WindowOptions, type Windows, windows } from "./windows.js";
export { type EmbeddingTable, type SimilarTo, type TableOptions, WordVectors } from "./wordVectors.js";
export { encodeWordVectors, writeWordVectors } from "./writeVectors.js";
