import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeInfluxLines } from "./influx-line-decoder.ts";
import { DEFAULT_REMOTE_WRITE_LIMITS } from "./limits.ts";

const NOW_MS = 1_795_132_800_000;
const limits = { ...DEFAULT_REMOTE_WRITE_LIMITS, labelsPerSeriesMax: 4, labelValueBytesMax: 20 };

function decode(text: string | Uint8Array, precision = "") {
  return decodeInfluxLines(new Uint8Array(Buffer.from(text as string)), {
    precision,
    nowMs: NOW_MS,
    limits,
  });
}

/** `{labels} value @time` of each sample. */
function samplesOf(text: string, precision = ""): string[] {
  const { batch, faults } = decode(text, precision);
  assert.deepEqual(faults, []);
  return Array.from({ length: batch.seriesCount }, (_, s) => {
    const time = batch.timestampsMs[s] === NOW_MS ? "now" : String(batch.timestampsMs[s]);
    return `${batch.labelsOf(s).toString()} ${batch.values[s]} @${time}`;
  });
}

const READ: readonly [
  rule: string,
  text: string,
  samples: readonly string[],
  precision?: string,
][] = [
  [
    "a point with tags, fields and a time",
    "cpu,host=a,mode=idle usage=1.5,count=2i 1700000000123456789",
    [
      '{__name__="cpu_usage", host="a", mode="idle"} 1.5 @1700000000123',
      '{__name__="cpu_count", host="a", mode="idle"} 2 @1700000000123',
    ],
  ],
  ["a field named value is the measurement's own", "up value=1", ['{__name__="up"} 1 @now']],
  [
    "truth values and unsigned numbers",
    "m a=t,b=FALSE,c=True,d=7u,e=-1e3,f=.5",
    [
      '{__name__="m_a"} 1 @now',
      '{__name__="m_b"} 0 @now',
      '{__name__="m_c"} 1 @now',
      '{__name__="m_d"} 7 @now',
      '{__name__="m_e"} -1000 @now',
      '{__name__="m_f"} 0.5 @now',
    ],
  ],
  [
    "text fields are left out, whatever stands in them",
    'm a="x, y=1 \\"q\\" \n2",b=1 5',
    ['{__name__="m_b"} 1 @5'],
    "ms",
  ],
  [
    "escapes in measurements, tags and fields",
    "my\\ m\\,x,ta\\ g=v\\,a\\=l\\ u\\e f\\=1=2",
    ['{__name__="my_m_x_f_1", ta_g="v,a=l u\\\\e"} 2 @now'],
  ],
  [
    "names become classic ones",
    "2.m,größe=ß,a:b=c x-y=1",
    ['{__name__="_2_m_x_y", a:b="c", gr__e="ß"} 1 @now'],
  ],
  [
    "comments, empty lines and CRLF",
    "# nothing\n\n  \nup value=1 1\r\n#x",
    ['{__name__="up"} 1 @1000'],
    "s",
  ],
  ["hours", "up value=1 2", ['{__name__="up"} 1 @7200000'], "h"],
  ["before 1970", "up value=1 -5", ['{__name__="up"} 1 @-5'], "ms"],
  ["a tag that would be the name is left out", "up,__name__=x value=1", ['{__name__="up"} 1 @now']],
];

for (const [rule, text, samples, precision] of READ) {
  test(`read: ${rule}`, () => assert.deepEqual(samplesOf(text, precision), samples));
}

const REFUSED: readonly [text: string, message: RegExp][] = [
  ["up", /^line 1, column 3: a field's key is missing/],
  ["up value", /"=" is missing behind a field's key/],
  ["ok value=1\nup value=x 5", /^line 2, column 10: invalid field value "x"/],
  ["up value=1e999", /invalid field value/],
  ["up value=", /invalid field value ""/],
  ["up,a value=1", /"=" is missing behind a tag's key/],
  ["up,a= value=1", /a tag's value is missing/],
  ["up,a=1,a=2 value=1", /tag "a" is given twice/],
  ["up value=1 x", /bad timestamp "x"/],
  ["up value=1 1 2", /more than a time/],
  ['up value="x', /a text is not closed/],
  [" ,a=b value=1", /a measurement is missing/],
];

for (const [text, message] of REFUSED) {
  test(`refused: ${JSON.stringify(text)}`, () => {
    assert.throws(() => decode(text), { kind: "invalid", message });
  });
}

test("a wrong precision, bytes that are no text, and times out of range are refused", () => {
  assert.throws(() => decode("up value=1", "year"), {
    message: /precision supplied is not valid: year/,
  });
  assert.throws(() => decode("up value=1", "toString"), { message: /precision supplied/ });
  assert.throws(() => decode(Uint8Array.of(0xff)), { message: /not valid UTF-8/ });
  assert.throws(() => decode("up value=1 9999999999999999", "h"), { message: /out of range/ });
});

test("series over a limit are left out and named, the rest is kept", () => {
  const { batch, faults, skippedSeries, textFields } = decode(
    `a,b=1,c=2,d=3,e=4 x=1\nm value=1\nn,t=${"x".repeat(21)} value=1,s="t"`,
  );
  assert.deepEqual([batch.seriesCount, skippedSeries, textFields], [1, 2, 1]);
  assert.match(
    faults.join("\n"),
    /^line 1: series a_x has 5 labels, 4 are allowed\nline 3: the value of label t is longer/,
  );
});

test("cut or flipped anywhere, a body is read or refused, never more", () => {
  const bytes = Buffer.from(READ.map(([, text]) => text).join("\n"));
  for (let at = 0; at < bytes.length; at++) {
    const flipped = Buffer.from(bytes);
    flipped[at]! ^= 0x15;
    for (const body of [bytes.subarray(0, at), flipped]) {
      try {
        decode(body);
      } catch (error) {
        assert.equal((error as Error).name, "FinchError", String(error));
      }
    }
  }
});
