/**
 * What the words of a remote-write case ask to be sent. The files describe requests in English; the rules below are the vocabulary they are written
 * in, each changing the request a little. A sentence that no rule knows is told as such: nothing is guessed.
 */
import { CUSTOM_BOUNDS_SCHEMA, setStaleAt, wordsOf } from "@finch/model";
import type { Histogram, MetricType } from "@finch/model";
import { REMOTE_WRITE_METRIC_TYPES } from "@finch/wire";
import type { SeriesMessage } from "./remote-write-message.ts";

/** A request to be made, before it is encoded. */
export interface Draft {
  readonly nowMs: number;
  /** The metric's name, of its own for each case. */
  readonly name: string;
  method: string;
  contentType: string | undefined;
  contentEncoding: string | undefined;
  series: SeriesMessage[];
  firstSymbol: string;
  /** Sent before this one: what a second request meets. */
  before: SeriesMessage[] | undefined;
  /** Changes the encoded, or the compressed body. */
  spoilMessage: (body: Uint8Array) => Uint8Array;
  spoilBody: (body: Uint8Array) => Uint8Array;
}

/** A rule returns false when, looked at closely, it does not fit. */
type Rule = readonly [words: RegExp, apply: (draft: Draft, match: RegExpExecArray) => void];

const COUNTS: Readonly<Record<string, number>> = {
  a: 1,
  an: 1,
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  ten: 10,
  several: 3,
  many: 50,
};
const PLACES: Readonly<Record<string, number>> = {
  first: 0,
  second: 1,
  third: 2,
  fourth: 3,
  last: -1,
};
const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  sec: 1000,
  second: 1000,
  min: 60_000,
  m: 60_000,
  minute: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  year: 31_536_000_000,
};
const YEAR_MS = 31_536_000_000;
const COUNT = String.raw`(a|an|one|two|three|four|five|six|ten|several|many|\d+)`;

export function newSeries(draft: Draft, i: number): SeriesMessage {
  return {
    labels: [
      ["__name__", draft.name],
      ["job", "conformance"],
      ["n", String(i)],
    ],
    samples: [{ value: Float64Array.of(i + 1), timestampMs: draft.nowMs }],
    histograms: [],
    exemplars: [],
  };
}

const RULES: readonly Rule[] = [
  [
    /content[- ]type:? (?:is )?(?:missing|absent|empty|not given)|(?:no|without(?: a)?|missing) content[- ]type/i,
    (draft) => (draft.contentType = undefined),
  ],
  [
    /content[- ]type:? (?!is |missing|absent|empty)(\S+\/\S+(?:; ?\S+)*)/i,
    (draft, match) => (draft.contentType = match[1]!),
  ],
  [
    /^proto=(\S+)$/i,
    (draft, match) => (draft.contentType = `application/x-protobuf;proto=${match[1]!}`),
  ],
  [
    /(?:space|blank)s? (?:after|behind) (?:the )?(?:;|semicolon)/i,
    (draft) => (draft.contentType = draft.contentType?.replace(";", "; ")),
  ],
  [
    /content[- ]encoding:? (?:is )?(?:missing|absent|empty|not given)|(?:no|without(?: a)?|missing) content[- ]encoding/i,
    (draft) => (draft.contentEncoding = undefined),
  ],
  [
    /content[- ]encoding:? (?!is |missing|absent|empty)(\w+)/i,
    (draft, match) => (draft.contentEncoding = match[1]!),
  ],
  [/\b(GET|PUT|DELETE|PATCH)\b/, (draft, match) => (draft.method = match[1]!)],
  [
    new RegExp(`${COUNT} (?:valid )?(?:series|samples|metrics|timeseries)`, "i"),
    (draft, match) => setCount(draft, match),
  ],
  [
    /without (?:an? )?__name__|(?:no|missing) __name__|without (?:a )?(?:metric )?name\b/i,
    (draft, match) =>
      eachMeant(
        draft,
        match,
        (one) => (one.labels = one.labels.filter(([name]) => name !== "__name__")),
      ),
  ],
  [
    /empty (?:__name__|metric name)|__name__ (?:is )?empty/i,
    (draft, match) => eachMeant(draft, match, (one) => setLabel(one, "__name__", "")),
  ],
  [
    /empty label name|label name (?:is )?empty/i,
    (draft, match) => eachMeant(draft, match, (one) => one.labels.push(["", "x"])),
  ],
  [
    /empty label value|label value (?:is )?empty/i,
    (draft, match) => eachMeant(draft, match, (one) => one.labels.push(["empty", ""])),
  ],
  [
    /(?:duplicate|repeated) label|same label (?:name )?(?:given |sent )?twice|label (?:name )?twice/i,
    (draft, match) => eachMeant(draft, match, (one) => one.labels.push(["job", "other"])),
  ],
  [
    /unsorted labels|labels (?:are )?(?:not sorted|unsorted|out of order)/i,
    (draft) => draft.series.forEach((one) => one.labels.reverse()),
  ],
  [
    /metric name with dots/i,
    (draft) => draft.series.forEach((one) => setLabel(one, "__name__", `${draft.name}.with.dots`)),
  ],
  [
    /metric name with (?:spaces|unicode|utf-?8)/i,
    (draft) => draft.series.forEach((one) => setLabel(one, "__name__", `${draft.name} größe`)),
  ],
  [
    /label names? with (?:spaces|dots|unicode|utf-?8)/i,
    (draft) => draft.series.forEach((one) => one.labels.push(["z label.größe", "x"])),
  ],
  [
    /(?:label )?values? with (?:newlines?|unicode|utf-?8|special characters|quotes)/i,
    (draft) => draft.series.forEach((one) => one.labels.push(["z", 'line\n"größe"\\'])),
  ],
  [/invalid utf-?8/i, (draft) => (draft.spoilMessage = (body) => spoilText(body))],
  [
    /odd number of (?:label ?)?refs|label ?refs? odd/i,
    (draft, match) => eachMeant(draft, match, (one) => (one.flaw = "odd-refs")),
  ],
  [
    /(?:help|unit|metadata)_?(?: ?ref)? (?:is )?(?:out of|beyond|outside)/i,
    (draft) =>
      draft.series.forEach((one) => {
        one.flaw = "metadata-out-of-range";
        one.metadata ??= { type: 1, help: "Help.", unit: "u" };
      }),
  ],
  [
    /exemplar (?:label )?ref\S* (?:is )?(?:out of|beyond|outside)/i,
    (draft) =>
      draft.series.forEach((one) => {
        one.flaw = "exemplar-out-of-range";
        addExemplar(draft, one);
      }),
  ],
  [
    /(?:label )?(?:ref|symbol|index)\S* (?:is )?(?:out of|beyond|outside)/i,
    (draft, match) => eachMeant(draft, match, (one) => (one.flaw ??= "refs-out-of-range")),
  ],
  [
    /neither samples? nor histograms?|no samples? (?:and|nor|or) (?:no )?histograms?|(?:only|nothing but) (?:labels|metadata|exemplars?)|exemplars? (?:only|without (?:samples?|data|a sample))|metadata (?:only|without (?:samples|data))/i,
    (draft, match) =>
      eachMeant(draft, match, (one) => {
        one.samples = [];
        if (/exemplar/i.test(match[0])) addExemplar(draft, one);
        if (/metadata/i.test(match[0])) one.metadata = { type: 1, help: "Help.", unit: "u" };
      }),
  ],
  [
    /(?:sample )?value (?:of )?(stale NaN|stale marker|NaN|\+?Inf(?:inity)?|-Inf(?:inity)?|-?0|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)/i,
    (draft, match) =>
      draft.series.forEach((one) =>
        one.samples.forEach((sample) => (sample.value = valueOf(match[1]!))),
      ),
  ],
  [
    /^(?:a )?stale (?:marker|NaN)/i,
    (draft) =>
      draft.series.forEach((one) =>
        one.samples.forEach((sample) => (sample.value = valueOf("stale NaN"))),
      ),
  ],
  [
    /same timestamp and (?:the )?(?:same )?value (?:sent )?twice|(?:duplicate|same) sample (?:sent )?twice/i,
    (draft) => (draft.before = structuredClone(draft.series)),
  ],
  [
    /same timestamp(?:,| and| with)?(?: an?)? (?:an)?(?:other|different) value/i,
    (draft) => {
      draft.before = structuredClone(draft.series);
      draft.before.forEach((one) =>
        one.samples.forEach((sample) => (sample.value = Float64Array.of(99))),
      );
    },
  ],
  [
    /(?:timestamps?|samples?) (?:of )?(\d+) ?(s|sec|seconds?|min|minutes?|m|h|hours?|d|days?|years?) (ahead|in the future|in the past|ago|old|behind|back)/i,
    (draft, match) => moveSamples(draft, match),
  ],
  [
    /too old|older than|(?:outside|beyond) (?:of )?(?:the )?(?:out-of-order )?window/i,
    (draft) =>
      draft.series.forEach((one) =>
        one.samples.forEach((sample) => (sample.timestampMs -= YEAR_MS)),
      ),
  ],
  [
    /timestamp (?:of )?0|timestamp zero/i,
    (draft) =>
      draft.series.forEach((one) => one.samples.forEach((sample) => (sample.timestampMs = 0))),
  ],
  [
    /negative timestamp/i,
    (draft) =>
      draft.series.forEach((one) => one.samples.forEach((sample) => (sample.timestampMs = -1))),
  ],
  [
    /start_?timestamp (?:in the )?(past|future|after|equal|ahead)?|created timestamp/i,
    (draft, match) =>
      draft.series.forEach((one) =>
        one.samples.forEach(
          (sample) =>
            (sample.startMs =
              draft.nowMs + (/future|after|ahead/i.test(match[1] ?? "") ? 60_000 : -60_000)),
        ),
      ),
  ],
  [
    /out[- ]of[- ]order (?:samples?|timestamps?)|samples? out of order|(?:older|earlier) (?:sample )?(?:second|after|later)/i,
    (draft) =>
      draft.series.forEach((one) =>
        one.samples.push({ value: Float64Array.of(7), timestampMs: draft.nowMs - 30_000 }),
      ),
  ],
  [
    /histogram|schema|native|custom[_ ]values|custom[- ]bucket/i,
    (draft, match) => addHistograms(draft, match.input),
  ],
  [
    /exemplar/i,
    (draft, match) => {
      if (
        !/exemplars? (?:only|without (?:samples?|data|a sample))|only exemplars?|ref/i.test(
          match.input,
        )
      )
        draft.series.forEach((one) => addExemplar(draft, one, match.input));
    },
  ],
  [
    /\b(unspecified|counter|gauge|gauge ?histogram|histogram|summary|info|stateset)\b.*\b(?:help|unit|metadata)/i,
    (draft, match) => setMetadata(draft, match[1]!, match.input),
  ],
  [
    /(?:help|metadata) (?:and|or|with|of)|with metadata/i,
    (draft, match) =>
      draft.series.forEach((one) => {
        one.metadata ??= {
          type: 1,
          help: "Help.",
          unit: /unit/i.test(match.input) ? "requests" : "",
        };
      }),
  ],
  [/symbols?\[0\]|first symbol/i, (draft) => (draft.firstSymbol = "not-empty")],
  [
    /first bytes? of the body overwritten|(?:bad|broken|corrupt(?:ed)?|invalid) snappy/i,
    (draft) => (draft.spoilBody = overwriteFirst),
  ],
  [
    /(?:body )?(?:not|no|without) (?:compressed|snappy|compression)|uncompressed/i,
    (draft) => (draft.spoilBody = () => Buffer.from("this is no snappy")),
  ],
  [
    /empty body|body (?:is )?empty|no body/i,
    (draft) => (draft.spoilBody = () => new Uint8Array(0)),
  ],
  [
    /truncated|cut (?:off|short)/i,
    (draft) => (draft.spoilBody = (body) => body.subarray(0, body.length >> 1)),
  ],
  [
    /(?:bad|broken|corrupt(?:ed)?|invalid|no(?:t)?(?: a)?(?: valid)?) protobuf|random bytes|garbage/i,
    (draft) => (draft.spoilMessage = () => Buffer.from("*\u007fthis is no protobuf")),
  ],
  [/valid sample|one sample|simple sample|^sample$|counter sample|series$/i, () => {}],
];

/** Applies every rule that the words fit; false when none does. */
export function applyGiven(draft: Draft, words: string): boolean {
  let known = false;
  for (const [pattern, apply] of RULES) {
    const match = pattern.exec(words);
    if (match === null) continue;
    apply(draft, match);
    known = true;
  }
  return known;
}

function setCount(draft: Draft, match: RegExpExecArray): void {
  const word = match[1]!.toLowerCase();
  const count = COUNTS[word] ?? Number(word);
  if (/samples/i.test(match[0]) && !/series/i.test(match.input)) {
    const [one] = draft.series;
    one!.samples = Array.from({ length: count }, (_, i) => ({
      value: Float64Array.of(i),
      timestampMs: draft.nowMs - (count - 1 - i) * 1000,
    }));
  } else draft.series = Array.from({ length: count }, (_, i) => newSeries(draft, i));
}

/** The series a flaw belongs to: the one named (`the first`), else all. */
function eachMeant(
  draft: Draft,
  match: RegExpExecArray,
  change: (one: SeriesMessage) => void,
): void {
  const place = /\b(?:the )?(first|second|third|fourth|last|one of)\b/i
    .exec(match.input)?.[1]
    ?.toLowerCase();
  const at = place === undefined ? undefined : (PLACES[place] ?? 0);
  if (at === undefined || draft.series.length === 1) for (const one of draft.series) change(one);
  else change(draft.series.at(at)!);
}

function setLabel(one: SeriesMessage, name: string, value: string): void {
  one.labels = one.labels.map((label) => (label[0] === name ? [name, value] : label));
}

function moveSamples(draft: Draft, match: RegExpExecArray): void {
  const unit = match[2]!.toLowerCase().replace(/(?<=...)s$/, "");
  const ms = Number(match[1]) * UNITS_MS[unit]!;
  const moved = draft.nowMs + (/ahead|future/i.test(match[3]!) ? ms : -ms);
  for (const one of draft.series)
    for (const sample of [...one.samples, ...one.histograms]) sample.timestampMs = moved;
}

function valueOf(text: string): Float64Array {
  const value = new Float64Array(1);
  if (/stale/i.test(text)) setStaleAt(wordsOf(value), 0);
  else if (/nan/i.test(text)) value[0] = Number.NaN;
  else if (/inf/i.test(text)) value[0] = text.startsWith("-") ? -Infinity : Infinity;
  else value[0] = Number(text);
  return value;
}

function addExemplar(draft: Draft, one: SeriesMessage, words = ""): void {
  const labels: [string, string][] = /without (?:any )?labels|no labels/i.test(words)
    ? []
    : [
        [
          "trace_id",
          /(?:too long|longer|over|more than) .*|128/i.test(words)
            ? "x".repeat(200)
            : "4bf92f3577b34da6",
        ],
      ];
  one.exemplars.push({ labels, value: 0.5, timestampMs: draft.nowMs });
}

function setMetadata(draft: Draft, type: string, words: string): void {
  const name = type.toLowerCase().replace(" ", "") as MetricType;
  // Words for none, such as "unspecified", are 0 in both versions.
  const number = Math.max(0, REMOTE_WRITE_METRIC_TYPES.indexOf(name));
  const metadata = {
    type: number,
    help: /without help|no help/i.test(words) ? "" : "Help of the case.",
    unit:
      /\bunit\b/i.test(words) && !/without (?:help (?:or|and) )?unit|no unit/i.test(words)
        ? "requests"
        : "",
  };
  for (const one of draft.series) one.metadata = metadata;
}

/** Replaces the float samples by the histogram that the words describe. */
function addHistograms(draft: Draft, words: string): void {
  // A type in metadata, or a series that says it has none, is no histogram.
  if (
    /neither|no histogram|metadata|\bhelp\b/i.test(words) &&
    !/schema|bucket|native|integer|float/i.test(words)
  )
    return;
  const histogram = histogramOf(words);
  const isWrong = WRONG_COUNT.test(words);
  for (const one of draft.series) {
    const timestampMs = one.samples.at(-1)?.timestampMs ?? draft.nowMs;
    if (!/(?:sample|float)s? and (?:an? )?histograms?/i.test(words)) one.samples = [];
    one.histograms = [
      { histogram, timestampMs, ...(isWrong && { countSent: histogram.count + 5 }) },
    ];
  }
}

const WRONG_COUNT =
  /(?:bad|wrong|mismatched|inconsistent) (?:\w+ )?count|counts? (?:that )?(?:do(?:es)? not|mismatch)/i;

function histogramOf(words: string): Histogram {
  const schemaWord = /schema ([-−]?\d+)/i.exec(words)?.[1]?.replace("−", "-");
  const isCustom = schemaWord === String(CUSTOM_BOUNDS_SCHEMA) || /custom|nhcb/i.test(words);
  const scale = /float/i.test(words) ? 1.5 : 1;
  const side = (first: number) => ({
    spans: Int32Array.of(first, 2),
    counts: Float64Array.of(2 * scale, 4 * scale),
  });
  const empty = { spans: new Int32Array(0), counts: new Float64Array(0) };
  const isEmpty = /empty histogram|no observations|without (?:any )?buckets/i.test(words);
  const onlyZero = /only (?:a )?zero bucket|minimal/i.test(words);
  const hasPositive = !isEmpty && !onlyZero && !/only negative|negative[- ]only/i.test(words);
  const hasNegative =
    !isEmpty &&
    !onlyZero &&
    !isCustom &&
    /negative/i.test(words) &&
    !/negative (?:bucket )?(?:count|offset)/i.test(words);
  const positive = hasPositive ? side(isCustom ? 0 : 1) : empty;
  const negative = hasNegative ? side(-1) : empty;
  if (/negative (?:bucket )?count/i.test(words)) positive.counts[1] = -1;
  if (/(?:negative (?:span )?offset)/i.test(words)) positive.spans = Int32Array.of(0, 1, -1, 1);
  if (
    /spans? (?:do(?:es)? not|don't|that do not) match|mismatch(?:ed|ing)? spans?|too (?:few|many) (?:buckets|spans)/i.test(
      words,
    )
  )
    positive.spans = Int32Array.of(1, 3);
  const zeroCount = isCustom ? (/zero count/i.test(words) ? 1 : 0) : isEmpty ? 0 : 3 * scale;
  const total =
    zeroCount + [...positive.counts, ...negative.counts].reduce((sum, one) => sum + one, 0);
  let customBounds = isCustom ? Float64Array.of(0.1, 1) : new Float64Array(0);
  if (isCustom && /unsorted|not (?:sorted|increasing|ascending)|descending|decreasing/i.test(words))
    customBounds = Float64Array.of(1, 0.1);
  if (
    isCustom &&
    /(?:too few|missing|no|without) (?:custom_values|custom values|bounds)/i.test(words)
  )
    customBounds = new Float64Array(0);
  return {
    schema: isCustom ? CUSTOM_BOUNDS_SCHEMA : Number(schemaWord ?? 0),
    resetHint: /gauge/i.test(words) ? "gauge" : "unknown",
    zeroThreshold: isCustom ? 0 : 0.001,
    zeroCount,
    count: total,
    sum: isEmpty ? 0 : 12.5,
    positive,
    negative,
    customBounds,
  };
}

function overwriteFirst(body: Uint8Array): Uint8Array {
  const spoilt = new Uint8Array(body);
  spoilt[0] = 0xff;
  return spoilt;
}

/** Makes the value `conformance` of the label `job` bytes that are no UTF-8. */
function spoilText(body: Uint8Array): Uint8Array {
  const spoilt = Buffer.from(body);
  const at = spoilt.indexOf("conformance");
  if (at >= 0) spoilt[at] = 0xff;
  return spoilt;
}
