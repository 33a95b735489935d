/** Runs `*.logqltest` scripts: `clear`, `load`, `eval instant`, `eval range`, with the expected series below. */
import { createEngine, createMemorySource } from "@finch/logql";
import type { MemoryLogSource } from "@finch/logql";
import { Labels } from "@finch/model";
import { describeError, systemClock } from "@finch/runtime";
import { compareNumbers, readNumber, showLabels } from "./logql-compare.ts";

type Report = (place: string, fault: string | undefined) => void;

interface Line {
  readonly number: number;
  readonly text: string;
}

export async function runLogqlScript(file: string, text: string, report: Report): Promise<void> {
  const lines = text
    .split("\n")
    .map((raw, i): Line => ({ number: i + 1, text: withoutComment(raw).trimEnd() }))
    .filter((line) => line.text.trim() !== "");
  let source = createMemorySource();
  for (let i = 0; i < lines.length;) {
    const head = lines[i]!;
    const body: Line[] = [];
    for (i++; i < lines.length && /^\s/.test(lines[i]!.text); i++) body.push(lines[i]!);
    if (head.text === "clear") source = createMemorySource();
    else if (head.text === "load") {
      for (const { number, text: entry } of body) {
        if (!load(source, entry.trim())) report(`${file}:${number}`, "not a load line");
      }
    } else if (head.text.startsWith("eval ")) {
      report(`${file}:${head.number}`, await runEval(source, head.text, body));
    } else report(`${file}:${head.number}`, `unknown command ${JSON.stringify(head.text)}`);
  }
}

/** Cuts at a `#` outside quotes. */
function withoutComment(text: string): string {
  let quote = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quote !== "") {
      if (c === "\\" && quote === '"') i++;
      else if (c === quote) quote = "";
    } else if (c === '"' || c === "`") quote = c;
    else if (c === "#") return text.slice(0, i);
  }
  return text;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ms: 0.001,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
};

function readTimeNs(text: string): bigint {
  let seconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    seconds += Number(number) * UNIT_SECONDS[unit!]!;
  }
  const ns = BigInt(Math.round(seconds * 1e9));
  return text.startsWith("-") ? -ns : ns;
}

const LOAD = /^(\{[^}]*\})\s+(?:"(.*)"|`(.*)`)\s+@\s+(\S+)(.*)$/;
const PAIR = /([\w.]+)\s*=\s*"((?:[^"\\]|\\.)*)"/g;

function readPairs(text: string): string[] {
  return [...text.matchAll(PAIR)].flatMap(([, name, value]) => [name!, readText(value!)]);
}

/** A quoted text; one with escapes that are none stands as it is. */
function readText(body: string): string {
  try {
    return JSON.parse(`"${body}"`) as string;
  } catch {
    return body;
  }
}

/** Answers whether the line could be read. */
function load(source: MemoryLogSource, text: string): boolean {
  const match = LOAD.exec(text);
  if (match === null) return false;
  const [, labels, quoted, raw, at, rest] = match;
  const repeat = /\[repeat every\s+(\S+)\s+for\s+(\d+)\]/.exec(rest!);
  const metadata = /\[metadata ([^\]]*)\]/.exec(rest!);
  const start = readTimeNs(at!);
  const every = repeat === null ? 0n : readTimeNs(repeat[1]!);
  const count = repeat === null ? 1 : Number(repeat[2]);
  const line = quoted ?? raw!;
  source.append(
    Labels.fromPairs(readPairs(labels!)),
    Array.from({ length: count }, (_, i) => ({
      timestampNs: start + every * BigInt(i),
      line: line.replaceAll("{{.i}}", String(i)),
      metadata: Labels.raw(readPairs(metadata?.[1] ?? "")),
    })),
  );
  return true;
}

const EVAL = /^eval (?:instant at (\S+)|range from (\S+) to (\S+) step (\S+)) (.*)$/;

/** The numbers of a series by step; undefined where there is none. */
interface Series {
  readonly labels: Labels;
  readonly values: readonly (number | undefined)[];
}

interface Expected {
  readonly fault: { readonly text?: string; readonly pattern?: RegExp } | undefined;
  readonly ordered: boolean;
  readonly scalar: number | undefined;
  readonly series: readonly Series[];
}

async function runEval(
  source: MemoryLogSource,
  head: string,
  body: readonly Line[],
): Promise<string | undefined> {
  const match = EVAL.exec(head);
  if (match === null) return `not an eval line: ${head}`;
  const expected = readExpected(body);
  let actual: { readonly scalar?: number; readonly series: readonly Series[] };
  try {
    actual = await evaluate(source, match);
  } catch (error) {
    const message = describeError(error);
    const { fault } = expected;
    if (fault === undefined) return `refused: ${message}`;
    const fits = (fault.pattern?.test(message) ?? true) && message.includes(fault.text ?? "");
    return fits
      ? undefined
      : `refused with ${JSON.stringify(message)}, expected ${fault.text ?? fault.pattern?.source}`;
  }
  if (expected.fault !== undefined) return `answered ${show(actual.series)}, expected a refusal`;
  if (expected.scalar !== undefined) {
    return compareNumbers(actual.scalar, expected.scalar)
      ? undefined
      : `answered ${actual.scalar}, expected ${expected.scalar}`;
  }
  return compareSeries(actual.series, expected);
}

async function evaluate(
  source: MemoryLogSource,
  match: RegExpExecArray,
): Promise<{ readonly scalar?: number; readonly series: readonly Series[] }> {
  const [, at, from, to, step, query] = match;
  const engine = createEngine({ clock: systemClock });
  const options = {
    source,
    query: query!.trim(),
    limit: 100,
    direction: "forward",
    signal: new AbortController().signal,
  } as const;
  if (at !== undefined) {
    const result = await engine.instantQuery({ ...options, timeNs: readTimeNs(at) });
    if (result.type === "scalar") return { scalar: result.value, series: [] };
    return { series: result.samples.map(({ labels, value }) => ({ labels, values: [value] })) };
  }
  const [startNs, endNs, stepNs] = [readTimeNs(from!), readTimeNs(to!), readTimeNs(step!)];
  const result = await engine.rangeQuery({ ...options, startNs, endNs, stepNs });
  if (result.type !== "matrix") throw new Error("a log query in a script of metric queries");
  const count = Number((endNs - startNs) / stepNs) + 1;
  const series = result.series.map(({ labels, timestampsMs, values }) => ({
    labels,
    values: Array.from({ length: count }, (_, k) => {
      const index = timestampsMs.indexOf(Number((startNs + BigInt(k) * stepNs) / 1_000_000n));
      return index < 0 ? undefined : values[index];
    }),
  }));
  return { series };
}

function readExpected(body: readonly Line[]): Expected {
  let fault: Expected["fault"];
  let ordered = false;
  let scalar: number | undefined;
  const series: Series[] = [];
  for (const { text: indented } of body) {
    const text = indented.trim();
    const fail = /^expect fail(?: (msg|regex): (.*))?$/.exec(text);
    if (fail !== null) {
      if (fail[1] === "regex") fault = { pattern: new RegExp(fail[2]!) };
      else fault = fail[2] === undefined ? {} : { text: fail[2] };
    } else if (text === "expect ordered") ordered = true;
    else if (text.startsWith("{")) {
      const end = text.lastIndexOf("}");
      const labels = Labels.raw(readPairs(text.slice(0, end)));
      series.push({
        labels,
        values: text
          .slice(end + 1)
          .trim()
          .split(/\s+/)
          .flatMap(readPoint),
      });
    } else if (!text.startsWith("expect empty") && !text.startsWith("skip "))
      scalar = readNumber(text);
  }
  return { fault, ordered, scalar, series };
}

/** `5`, `_`, `1+2x3` (1 3 5 7), `4x2` (4 4 4). */
function readPoint(text: string): readonly (number | undefined)[] {
  const repeat = /^(_|-?[\d.]+)([+-][\d.]+)?x(\d+)$/.exec(text);
  if (repeat === null) return [text === "_" ? undefined : readNumber(text)];
  const [, first, step, times] = repeat;
  if (first === "_") return Array.from({ length: Number(times) }, () => undefined);
  return Array.from({ length: Number(times) + 1 }, (_, i) => Number(first) + i * Number(step ?? 0));
}

function show(series: readonly Series[]): string {
  return series
    .map(
      ({ labels, values }) =>
        `${showLabels(labels)} ${values.map((value) => value ?? "_").join(" ")}`,
    )
    .join("; ");
}

function compareSeries(actual: readonly Series[], expected: Expected): string | undefined {
  const answered = `answered ${show(actual)}, expected ${show(expected.series)}`;
  if (actual.length !== expected.series.length) return answered;
  const rest = [...actual];
  for (const { labels, values } of expected.series) {
    const at = expected.ordered ? 0 : rest.findIndex((series) => series.labels.key === labels.key);
    const found = rest[at];
    if (found === undefined || found.labels.key !== labels.key) return answered;
    const fits = values.every((value, k) =>
      value === undefined ? found.values[k] === undefined : compareNumbers(found.values[k], value),
    );
    if (!fits || values.length !== found.values.length) return answered;
    rest.splice(at, 1);
  }
  return undefined;
}
