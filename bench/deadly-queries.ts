/** Queries that bring servers down: too many series, too many points, too deep, too long, patterns that explode. */

export interface DeadlyQuery {
  readonly name: string;
  readonly path: "query" | "query_range" | "series" | "labels";
  readonly parameters: Readonly<Record<string, string>>;
}

const EVERYTHING = '{__name__=~".+"}';
const DEEP = 20_000;
const MEGABYTE = 1_000_000;

/** `end` in Unix seconds: where the newest data is. */
export function deadlyQueries(end: number): readonly DeadlyQuery[] {
  const instant = (name: string, query: string): DeadlyQuery => ({
    name,
    path: "query",
    parameters: { query, time: String(end) },
  });
  const range = (name: string, query: string, hours = 6, step = 15): DeadlyQuery => ({
    name,
    path: "query_range",
    parameters: { query, start: String(end - hours * 3600), end: String(end), step: String(step) },
  });
  return [
    ...tooMuchData(instant, range),
    ...tooDeep(instant),
    ...badPatterns(instant, range),
    { name: "series of everything", path: "series", parameters: { "match[]": EVERYTHING } },
    {
      name: "labels by a bad pattern",
      path: "labels",
      parameters: { "match[]": '{id=~"(.*a){20}"}' },
    },
  ];
}

type Instant = (name: string, query: string) => DeadlyQuery;
type Range = (name: string, query: string, hours?: number, step?: number) => DeadlyQuery;

function tooMuchData(instant: Instant, range: Range): readonly DeadlyQuery[] {
  return [
    instant("everything", EVERYTHING),
    instant("30 days by the second", `count_over_time(${EVERYTHING}[30d:1s])`),
    instant("30 days by the second, bare", `${EVERYTHING}[30d:1s]`),
    range("everything, 11,000 points", EVERYTHING, 3, 1),
    range("join of everything with itself", `${EVERYTHING} and on (pod, instance) ${EVERYTHING}`),
    range(
      "arithmetic join by pod",
      `sum(${EVERYTHING} * on (pod) group_left () count by (pod) (${EVERYTHING}))`,
    ),
    range("join many to many", `${EVERYTHING} * on (job) ${EVERYTHING}`),
    range("quantiles over an hour each", `quantile_over_time(0.99, ${EVERYTHING}[1h])`, 3, 1),
    range("values as labels", `count_values("value", ${EVERYTHING})`),
    range("groups of one", `sum without () (rate(${EVERYTHING}[5m]))`),
    range("sorted", `topk(100000, ${EVERYTHING})`),
    instant(
      "subqueries within subqueries",
      "max_over_time(sum(max_over_time(max_over_time(up[1d:1s])[1d:1s]))[30d:1s])",
    ),
    instant("labels that double", doubledLabels(24)),
  ];
}

/** A label twice as long with each of `times` rounds. */
function doubledLabels(times: number): string {
  let query = EVERYTHING;
  for (let i = 0; i < times; i++) query = `label_replace(${query}, "id", "$1$1", "id", "(.*)")`;
  return `count(${query})`;
}

function tooDeep(instant: Instant): readonly DeadlyQuery[] {
  return [
    instant("parentheses", `${"(".repeat(DEEP)}1${")".repeat(DEEP)}`),
    instant("calls", `${"abs(".repeat(DEEP)}up${")".repeat(DEEP)}`),
    instant("signs", `${"-".repeat(DEEP)}1`),
    instant("a sum of very many", `1${" + 1".repeat(DEEP)}`),
    instant("powers", `2${" ^ 2".repeat(DEEP)}`),
    instant("unclosed", "(".repeat(MEGABYTE)),
    instant("a megabyte of name", `up{job="${"x".repeat(MEGABYTE)}"}`),
    instant(
      "a megabyte of matchers",
      `{${Array.from({ length: MEGABYTE / 20 }, (_, i) => `a${i}!="b"`).join(",")}}`,
    ),
    instant(
      "a megabyte of alternatives",
      `up{pod=~"${Array.from({ length: MEGABYTE / 10 }, (_, i) => `pod-${i}`).join("|")}"}`,
    ),
    instant("a string without an end", `"${"x".repeat(MEGABYTE)}`),
  ];
}

function badPatterns(instant: Instant, range: Range): readonly DeadlyQuery[] {
  const patterns = [
    "(a+)+$",
    "(x+x+)+y",
    "(.*)*z",
    "(.*a){25}",
    "((a|b)*c|[0-9a-f]*)*z",
    ".*.*.*.*.*.*.*=.*",
    "(.{1,100}){1,10}",
    "((((.{0,30}){0,30}){0,30}){0,30})",
  ];
  return [
    ...patterns.map((pattern) => instant(`pattern ${pattern}`, `count({id=~"${pattern}"})`)),
    range(
      "pattern in label_replace",
      `label_replace(${EVERYTHING}, "x", "$1", "id", "(.*.*)*([a-z]+)+")`,
    ),
    instant("a pattern that is none", '{id=~"(((((("}'),
  ];
}
