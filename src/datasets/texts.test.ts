import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signed, tar } from "../../tests/tar.js";
import { ptb } from "./ptb.js";
import { reviewPolarity } from "./reviewPolarity.js";
import { rtPolarity } from "./rtPolarity.js";
import { dataSets } from "./sets.js";
import { stocktwits } from "./stocktwits.js";
import { readTar } from "./tar.js";
import { tinyShakespeare } from "./tinyShakespeare.js";

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "rondo-texts-"));
});
afterEach(() => rmSync(data, { recursive: true }));

const put = (name: string, content: string | Uint8Array) => writeFileSync(join(data, name), content);
const spy = dataSets.stocktwits.files[0].name;
const archive = dataSets.reviewPolarity.files[0].name;

/** The folder of a set in RONDO_DATA, as the only row of a table of tests, or no row. */
const real = (name: string) => [join(process.env.RONDO_DATA ?? "", name)].filter(existsSync);

const messages = `,message,sentiment
0,$SPY up!,bullish
1,"$SPY ""crash"", soon:
$QQQ too",bearish
2,🚨 $SPY 🚨,bullish
`;

describe("stocktwits", () => {
  it("reads messages that go over lines, with quotes and signs", async () => {
    put(spy, gzipSync(messages));
    const { texts, y, classes } = await stocktwits({ data });
    expect(texts).toEqual(["$SPY up!", '$SPY "crash", soon:\n$QQQ too', "🚨 $SPY 🚨"]);
    expect(y.array()).toEqual([1, 0, 1]);
    expect(y.dtype).toBe("int32");
    expect(classes).toEqual(["bearish", "bullish"]);
  });

  it("names the line of a sentiment that there is not", async () => {
    put(spy, gzipSync(`${messages}3,$SPY flat,neutral\n`));
    await expect(stocktwits({ data })).rejects.toThrow(
      `read ${join(data, spy)}: received the sentiment "neutral" in the row that begins in line 6, expected bearish or bullish`,
    );
    put(spy, `${messages}3,$SPY flat,Bearish\n`);
    await expect(stocktwits({ data })).rejects.toThrow(/did its writer mean "bearish"\?/);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["is truncated", gzipSync(messages).subarray(0, 80), /a gzip file that cannot be unpacked/],
    [
      "has other columns",
      gzipSync("text,label\nup,bullish\n"),
      /the columns "text", "label", expected "message" and "sentiment"/,
    ],
    ["has a row of other fields", gzipSync(`${messages}3,$SPY flat\n`), /2 fields in line 6/],
    [
      "is in another encoding",
      gzipSync(Buffer.from(`${messages}3,caf\xe9,bearish\n`, "latin1")),
      /the byte 0x.* in line 5, where no character of UTF-8 is/,
    ],
    ["is empty", new Uint8Array(), /an empty file/],
  ])("refuses a file that %s", async (_, bytes, message) => {
    put(spy, bytes);
    await expect(stocktwits({ data })).rejects.toThrow(message);
  });

  it("refuses options that it does not have", async () => {
    await expect(stocktwits({ folder: data } as never)).rejects.toThrow(
      /stocktwits: received the unknown option "folder"/,
    );
  });

  it.each(real("stocktwits"))("reads the real set in %s", async (data) => {
    const { texts, y } = await stocktwits({ data });
    expect(texts.length).toBe(96_967);
    expect(y.data.reduce((sum, label) => sum + label, 0)).toBe(53_704);
    expect(texts[16]).toBe("🚨 $SPY 🚨");
    expect(texts.filter((text) => text.includes("\n")).length).toBe(2853);
  });
});

describe("tinyShakespeare", () => {
  it("reads the text as it is", async () => {
    put("input.txt", "First Citizen:\nSpeak, speak.\n\nAll:\nYes.\n");
    expect(await tinyShakespeare({ data })).toBe("First Citizen:\nSpeak, speak.\n\nAll:\nYes.\n");
    await expect(tinyShakespeare({ wrong: 1 } as object)).rejects.toThrow('unknown option "wrong"');
  });

  it.each(real("tinyshakespeare"))("reads the real set in %s", async (data) => {
    const text = await tinyShakespeare({ data });
    expect([text.length, new Set(text).size]).toEqual([1_115_394, 65]);
    expect(text.startsWith("First Citizen:\nBefore we proceed any further")).toBe(true);
  });
});

describe("ptb", () => {
  it("reads a sentence a line, in two parts", async () => {
    put("ptb.valid.txt", " no it was n't \n\n <unk> N \n");
    put("ptb.test.txt", " yes \n");
    expect(await ptb({ data })).toEqual({
      validation: [
        ["no", "it", "was", "n't"],
        ["<unk>", "N"],
      ],
      test: [["yes"]],
    });
  });

  it.each(real("ptb"))("reads the real set in %s", async (data) => {
    const { validation, test } = await ptb({ data });
    expect([validation.length, validation.flat().length]).toEqual([3370, 70_390]);
    expect([test.length, test.flat().length]).toEqual([3761, 78_669]);
  });
});

describe("rtPolarity", () => {
  const negative = "it's dull .\n\nnobody laughs . \n";
  const positive = "a fine déjà vu .\n";

  it("reads a sentence a line", async () => {
    put("rt-polarity.neg", negative);
    put("rt-polarity.pos", positive);
    const { texts, y, classes } = await rtPolarity({ data });
    expect(texts).toEqual(["it's dull .", "nobody laughs .", "a fine déjà vu ."]);
    expect(y.array()).toEqual([0, 0, 1]);
    expect(classes).toEqual(["negative", "positive"]);
  });

  it("names the file and the line that is no UTF-8, and the file that is empty", async () => {
    put("rt-polarity.neg", negative);
    put("rt-polarity.pos", Buffer.from(`fine .\n${positive}`, "latin1"));
    await expect(rtPolarity({ data })).rejects.toThrow(
      /rt-polarity\.pos: received the byte 0xe9 at byte 15, in line 2/,
    );
    put("rt-polarity.pos", "");
    await expect(rtPolarity({ data })).rejects.toThrow(/rt-polarity\.pos: received an empty file/);
  });

  it.each(real("rt-polarity"))("reads the real set in %s", async (data) => {
    const { texts, y } = await rtPolarity({ data });
    expect([texts.length, y.data.reduce((sum, label) => sum + label, 0)]).toEqual([10_662, 5331]);
    expect(texts[0]).toBe("simplistic , silly and tedious .");
  });
});

const reviews = {
  "poldata.README.2.0": "about",
  "txt_sentoken/pos/cv000_1.txt": "good .\nvery good .\n",
  "txt_sentoken/neg/cv001_2.txt": "bad .\n",
  "txt_sentoken/neg/cv000_9.txt": `${"worse . ".repeat(100)}\n`,
};

describe("reviewPolarity", () => {
  it("reads the reviews of both classes in the order of their names", async () => {
    put(archive, gzipSync(tar(reviews)));
    const { texts, y, classes } = await reviewPolarity({ data });
    expect(texts).toEqual([`${"worse . ".repeat(100)}\n`, "bad .\n", "good .\nvery good .\n"]);
    expect(y.array()).toEqual([0, 0, 1]);
    expect(classes).toEqual(["negative", "positive"]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["is truncated before it is unpacked", gzipSync(tar(reviews)).subarray(0, 200), /cannot be unpacked/],
    [
      "ends within a review",
      gzipSync(tar(reviews).subarray(0, 3700)),
      /received 116 bytes of txt_sentoken\/neg\/cv000_9.txt, expected the 801 that/,
    ],
    [
      "ends without its last blocks",
      gzipSync(tar(reviews).subarray(0, -1024)),
      /an archive that ends after \d+ bytes/,
    ],
    ["is no archive", gzipSync("x".repeat(2000)), /at byte 0 what is no header, expected a tar archive/],
    ["has no positive reviews", gzipSync(tar({ "neg/a.txt": "bad ." })), /no text in a folder pos/],
    [
      "has a review in another encoding",
      gzipSync(tar({ ...reviews, "a/pos/b.txt": Uint8Array.of(0x63, 0xe9) })),
      /a\/pos\/b.txt, which is no UTF-8/,
    ],
  ])("refuses a file that %s", async (_, bytes, message) => {
    put(archive, bytes);
    await expect(reviewPolarity({ data })).rejects.toThrow(message);
  });

  it.each(real("review-polarity"))("reads the real set in %s", async (data) => {
    const { texts, y } = await reviewPolarity({ data });
    expect([texts.length, y.data.reduce((sum, label) => sum + label, 0)]).toEqual([2000, 1000]);
    expect(texts[0]).toMatch(/^plot : two teen couples go to a church party/);
    expect(texts[1999]?.length).toBeGreaterThan(1000);
  });
});

describe("readTar", () => {
  it("joins the two parts of long names and leaves out what is no file", () => {
    const bytes = Buffer.from(tar({ "b.txt": "x" }));
    bytes.write("long/folder", 345);
    signed(bytes.subarray(0, 512));
    expect(readTar(bytes, "x.tar").map(({ name }) => name)).toEqual(["long/folder/b.txt"]);
    expect(readTar(tar({ "folder/": "" }, "5"), "x.tar")).toEqual([]);
    expect(() => readTar(tar({ name: "long" }, "x"), "x.tar")).toThrow(
      /read x.tar: received an entry of type x, name/,
    );
  });

  it("takes a header of which a byte was changed for none", () => {
    const bytes = Buffer.from(tar({ "b.txt": "x" }));
    bytes.write("c", 0);
    expect(() => readTar(bytes, "x.tar")).toThrow(/at byte 0 what is no header/);
  });
});
