/** The questions that logs are asked, in the languages of all engines. Each has variants, so that no engine answers from what it kept of the last time. */
import type { Corpus, Needle } from "./log-corpus.ts";
import type { LogShape } from "./log-lines.ts";

/** What an answer is compared by: a key (empty when there is one number only) and a count; the order does not matter. */
export type AnswerRows = readonly (readonly [key: string, count: number])[];

/** `instant` at the end of the corpus, `range` by minutes, `entries` newest first. */
export interface LogQlQuestion {
  readonly kind: "instant" | "range" | "entries";
  readonly logql: string;
}

export interface Variant extends LogQlQuestion {
  /** By index: without one, with the filter of tokens, with the text index; left out where an index changes nothing. */
  readonly sql: Readonly<Partial<Record<"none" | "token" | "text", string>>>;
  /** VictoriaLogs' language; a count is called `n`. */
  readonly logsql?: string;
  /** Arguments of `rg -c`; undefined where a search of text is no answer. */
  readonly rg: readonly string[] | undefined;
}

export interface Question {
  readonly name: string;
  readonly title: string;
  /** Variants after the last begin anew, except where `isRepeated` says that the same is asked again on purpose. */
  readonly variants: readonly Variant[];
  /** The cost of the first time is told apart. */
  readonly isRepeated?: boolean;
}

const ALL = '{cluster="prod-eu"}';
const NO_CACHE = " SETTINGS use_query_condition_cache = 0";
/** Needles in more entries than this are no needles. */
const NEEDLE_COUNT_MAX = 200;

export function createQuestions(corpus: Corpus): readonly Question[] {
  return [
    needles(corpus, "trace", "needle: trace id"),
    needles(corpus, "user", "needle: user id"),
    needles(corpus, "address", "needle: address"),
    ...textQuestions(corpus),
    ...fieldQuestions(corpus),
  ];
}

/** Counts of lines that contain or match something. */
function textQuestions(corpus: Corpus): readonly Question[] {
  return [
    {
      name: "part-of-id",
      title: "substring: 12 digits within an id",
      variants: pick(corpus, "trace").map(({ text }) => substring(text.slice(9, 21))),
    },
    {
      name: "substring",
      title: "substring: words, count",
      variants: [
        "context deadline exceeded",
        "unexpected status 503",
        "invalid user oracle from",
        "slow upstream",
        "i/o timeout",
      ].map(substring),
    },
    {
      name: "substring-fields",
      title: "substring: over fields of logfmt, count",
      variants: ["EOF", "i/o timeout", "connection refused", "unexpected status 503"].map((fault) =>
        substring(`err="${fault}" attempt=2`),
      ),
    },
    {
      name: "substring-json",
      title: "substring: over fields of JSON, count",
      variants: [500, 502, 503, 504, 499].map((status) =>
        substring(`"status":${status},"body_bytes_sent":1`),
      ),
    },
    {
      name: "regex-literal",
      title: "regex with a literal prefix, count",
      variants: ["[23]", "[12]", "[13]", "1", "2"].map((attempt) =>
        regexp(
          `upstream=http://[a-z]+:8080 err="(EOF|i/o timeout|connection refused)" attempt=${attempt}`,
        ),
      ),
    },
    {
      name: "regex-ip",
      title: "regex of address and port, count",
      variants: ["2", "3", "4", "5"].map((digit) =>
        regexp(`[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+ port ${digit}[0-9]{4}`),
      ),
    },
  ];
}

/** Counts by fields, levels and time. */
function fieldQuestions(corpus: Corpus): readonly Question[] {
  const streamsOf = (shape: LogShape) =>
    corpus.streams.filter((stream) => stream.shape === shape).length;
  const jsonStreams = streamsOf("json");
  const logfmtEnd = jsonStreams + streamsOf("logfmt");
  return [
    {
      name: "json-count",
      title: "| json | status>=…, count",
      variants: [500, 501, 502, 503, 504].map((status) => ({
        kind: "instant" as const,
        logql: `sum(count_over_time({type="json"} | json | status>=${status} [24h]))`,
        sql: {
          none: `SELECT count() FROM logs WHERE stream < ${jsonStreams} AND JSONExtractInt(line, 'status') >= ${status}${NO_CACHE}`,
        },
        logsql: `{type="json"} | unpack_json from _msg fields (status) | filter status:>=${status} | stats count() n`,
        rg: undefined,
      })),
    },
    {
      name: "json-by-status",
      title: "| json, sum by (status)",
      variants: ["24h", "1439m", "1438m", "1437m"].map((range) => ({
        kind: "instant" as const,
        logql: `sum by (status) (count_over_time({type="json"} | json | __error__="" [${range}]))`,
        sql: {
          none: `SELECT JSONExtractInt(line, 'status') AS status, count() FROM logs WHERE stream < ${jsonStreams}${since(corpus, range)} GROUP BY status${NO_CACHE}`,
        },
        ...(range === "24h" && {
          logsql:
            '{type="json"} | unpack_json from _msg fields (status) | stats by (status) count() n',
        }),
        rg: undefined,
      })),
    },
    {
      name: "histogram",
      title: "histogram of minute × level",
      variants: ["a", "b", "c", "d", "e"].map((none) => ({
        kind: "range" as const,
        logql: `sum by (detected_level) (count_over_time({cluster="prod-eu", app!="${none}"}[1m]))`,
        sql: {
          none: `SELECT toUnixTimestamp(toStartOfMinute(ts)) + 60 AS minute, level, count() FROM logs GROUP BY minute, level${NO_CACHE}`,
        },
        rg: undefined,
      })),
    },
    {
      name: "repeated",
      title: "the same dashboard filter again",
      isRepeated: true,
      variants: [
        {
          kind: "range" as const,
          logql: `sum(count_over_time({type="logfmt"} |= "upstream call failed" [1m]))`,
          sql: {
            none: `SELECT toUnixTimestamp(toStartOfMinute(ts)) + 60 AS minute, count() FROM logs WHERE stream >= ${jsonStreams} AND stream < ${logfmtEnd} AND line LIKE '%upstream call failed%' GROUP BY minute`,
          },
          logsql: '{type="logfmt"} "upstream call failed" | stats by (_time:1m) count() n',
          rg: undefined,
        },
      ],
    },
  ];
}

/** Needles of a kind, as far as they are rare. */
export function pick(corpus: Corpus, kind: Needle["kind"]): readonly Needle[] {
  return corpus.needles.filter(
    (needle) => needle.kind === kind && needle.count <= NEEDLE_COUNT_MAX,
  );
}

/** The newest entries with a needle. */
export function needleQuestion(text: string): LogQlQuestion {
  return { kind: "entries", logql: `${ALL} |= ${JSON.stringify(text)}` };
}

function needles(corpus: Corpus, kind: Needle["kind"], title: string): Question {
  return {
    name: `needle-${kind}`,
    title,
    variants: pick(corpus, kind).map(({ text }) => {
      const like = `line LIKE '%${escapeLike(text)}%'`;
      // Words as the indexes see them; the whole is then looked for in what they leave.
      const words = text.split(/[^0-9a-z]+/).filter((word) => word.length > 1);
      const has = words.map((word) => `hasToken(line, '${word}')`).join(" AND ");
      const rows = (where: string) =>
        `SELECT ts, line FROM logs WHERE ${where} ORDER BY ts DESC LIMIT 5000${NO_CACHE}`;
      const indexed = rows(kind === "trace" ? has : `${has} AND ${like}`);
      return {
        ...needleQuestion(text),
        sql: { none: rows(like), token: indexed, text: indexed },
        logsql: `${ALL} ${JSON.stringify(text)} | limit 5000`,
        rg: ["-F", text],
      };
    }),
  };
}

function substring(text: string): Variant {
  const like = `SELECT count() FROM logs WHERE line LIKE '%${escapeLike(text)}%'${NO_CACHE}`;
  return {
    kind: "instant",
    logql: `sum(count_over_time(${ALL} |= ${JSON.stringify(text)} [24h]))`,
    sql: { none: like, token: like, text: like },
    logsql: `${ALL} ~${JSON.stringify(escapeRegexp(text))} | stats count() n`,
    rg: ["-F", text],
  };
}

function regexp(pattern: string): Variant {
  const match = `SELECT count() FROM logs WHERE match(line, '${pattern}')${NO_CACHE}`;
  return {
    kind: "instant",
    logql: `sum(count_over_time(${ALL} |~ ${JSON.stringify(pattern)} [24h]))`,
    sql: { none: match, text: match },
    logsql: `${ALL} ~${JSON.stringify(pattern)} | stats count() n`,
    rg: [pattern],
  };
}

const escapeRegexp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, "\\$&");

const escapeLike = (text: string): string => text.replaceAll(/[_%]/g, "\\$&");

function since(corpus: Corpus, range: string): string {
  if (range === "24h") return "";
  const minutes = Number.parseInt(range, 10);
  return ` AND ts > fromUnixTimestamp64Milli(${corpus.endMs - minutes * 60_000}, 'UTC')`;
}
