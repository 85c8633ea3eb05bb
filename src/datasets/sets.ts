/** A file of a data set as its publisher has it. */
export interface DataFile {
  readonly name: string;
  readonly address: string;
  readonly bytes: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

/** A public data set that Rondo finds by its name. */
export interface DataSet {
  /** As in `RONDO_DATA/<name>`. */
  readonly name: string;
  /** What it holds, in a line. */
  readonly title: string;
  readonly files: readonly DataFile[];
}

const github = "https://raw.githubusercontent.com";
const rtPolarityFolder = `${github}/dennybritz/cnn-text-classification-tf/master/data/rt-polaritydata`;

/** The sets that are files to be found or downloaded, by name. */
export const dataSets = {
  stocktwits: {
    name: "stocktwits",
    title: "96,967 StockTwits messages about SPY from 2017, called bearish or bullish by their writers",
    files: [
      {
        name: "StockTwits_SPY_Sentiment_2017.gz",
        address: `${github}/GarrettHoffman/lstm-oreilly/master/data/StockTwits_SPY_Sentiment_2017.gz`,
        bytes: 3_558_296,
        sha256: "2764ef980af1af85d2c4d180ced1ce54cf20186b7a07c301304dbd72a5a4eeef",
      },
    ],
  },
  rtPolarity: {
    name: "rt-polarity",
    title: "5,331 negative and 5,331 positive sentences from film reviews (Pang and Lee, 2005)",
    files: [
      {
        name: "rt-polarity.neg",
        address: `${rtPolarityFolder}/rt-polarity.neg`,
        bytes: 612_506,
        sha256: "2d11cfbc790f1cd96d78339f41ce53ced1efa83cd22d37d6788fa3fe3d17e2fd",
      },
      {
        name: "rt-polarity.pos",
        address: `${rtPolarityFolder}/rt-polarity.pos`,
        bytes: 626_395,
        sha256: "4134882974a28d0c7b5151256f0e33a6169984ee7372c279e673f1114f475d58",
      },
    ],
  },
  reviewPolarity: {
    name: "review-polarity",
    title: "1,000 negative and 1,000 positive film reviews (Pang and Lee, 2004)",
    files: [
      {
        name: "review_polarity.tar.gz",
        address: `${github}/jbrownlee/Datasets/master/review_polarity.tar.gz`,
        bytes: 3_127_238,
        sha256: "fc0dccc2671af5db3c5d8f81f77a1ebfec953ecdd422334062df61ede36b2179",
      },
    ],
  },
  pollution: {
    name: "timeseries",
    title: "fine dust and weather in Beijing, 43,824 hours (Liang et al., 2015)",
    files: [
      {
        name: "pollution.csv",
        address: `${github}/jbrownlee/Datasets/master/pollution.csv`,
        bytes: 2_010_492,
        sha256: "892e9559205d16d32623135c127a3951c12e46ea1e0b3093e107ce89a9fd60e2",
      },
    ],
  },
  dailyMinTemperatures: {
    name: "timeseries",
    title: "the lowest temperatures of 3,650 days in Melbourne",
    files: [
      {
        name: "daily-min-temperatures.csv",
        address: `${github}/jbrownlee/Datasets/master/daily-min-temperatures.csv`,
        bytes: 67_921,
        sha256: "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
      },
    ],
  },
} as const satisfies Readonly<Record<string, DataSet>>;
