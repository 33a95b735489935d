/** Reads PromQL test scripts (`clear`, `load`, `eval`, `expect`): text → commands. The grammar is that of Prometheus' own scripts. */
import { Labels, parseDuration } from "@finch/model";
import { parseMetricSelector } from "@finch/promql";
import { parseNumber, parseOffsets, parsePoints } from "./promql-points.ts";
import type { Point } from "./promql-points.ts";

export interface ScriptSeries {
  readonly labels: Labels;
  readonly points: readonly Point[];
  /** By point: when the counter began, as an offset in milliseconds from the point's own time. */
  readonly startOffsetsMs?: readonly (number | undefined)[] | undefined;
}

export interface LoadCommand {
  readonly kind: "load";
  readonly line: number;
  readonly stepMs: number;
  /** Also loads the custom-bucket histograms that the classic buckets amount to. */
  readonly withHistograms: boolean;
  readonly series: readonly ScriptSeries[];
}

export interface Expectation {
  readonly kind: "fail" | "warn" | "info" | "no_warn" | "no_info" | "ordered";
  readonly message: string | undefined;
  readonly pattern: RegExp | undefined;
}

export interface EvalCommand {
  readonly kind: "eval";
  readonly line: number;
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  /** Undefined for an instant query. */
  readonly stepMs: number | undefined;
  readonly expectations: readonly Expectation[];
  readonly scalar: number | undefined;
  readonly text: string | undefined;
  readonly rangeVector: { readonly startMs: number; readonly stepMs: number } | undefined;
  readonly series: readonly ScriptSeries[];
}

export type Command = { readonly kind: "clear"; readonly line: number } | LoadCommand | EvalCommand;

/** All commands of a script; a line that cannot be read throws an `Error` that names it. */
export function parseScript(text: string): readonly Command[] {
  const lines = text.split("\n");
  const commands: Command[] = [];
  for (let at = 0; at < lines.length; at++) {
    const head = lines[at]!.trim();
    if (head === "" || head.startsWith("#")) continue;
    const body: { readonly text: string; readonly line: number }[] = [];
    const line = at + 1;
    while (!/^clear\b/.test(head) && at + 1 < lines.length && !isEnd(lines[at + 1]!)) {
      at++;
      body.push({ text: lines[at]!.trim(), line: at + 1 });
    }
    try {
      commands.push(parseCommand(head, line, body));
    } catch (error) {
      throw new Error(`line ${line}: ${(error as Error).message}`, { cause: error });
    }
  }
  return commands;
}

function isEnd(line: string): boolean {
  const text = line.trim();
  return text === "" || text.startsWith("#");
}

type Body = readonly { readonly text: string; readonly line: number }[];

function parseCommand(head: string, line: number, body: Body): Command {
  if (head === "clear") return { kind: "clear", line };
  const load = /^load(_with_nhcb)?\s+(\S+)$/.exec(head);
  if (load !== null)
    return parseLoad(line, body, {
      stepMs: parseTime(load[2]!),
      withHistograms: load[1] !== undefined,
    });
  const instant = /^eval(?:_(\w+))?\s+instant\s+(?:at\s+(\S+)\s+)?(.+)$/.exec(head);
  if (instant !== null) {
    const startMs = parseTime(instant[2] ?? "0");
    return parseEval(line, body, {
      old: instant[1],
      query: instant[3]!,
      startMs,
      endMs: startMs,
      stepMs: undefined,
    });
  }
  const range = /^eval(?:_(\w+))?\s+range\s+from\s+(\S+)\s+to\s+(\S+)\s+step\s+(\S+)\s+(.+)$/.exec(
    head,
  );
  if (range === null) throw new Error(`unknown command: ${head}`);
  const [, old, from, to, step, query] = range;
  return parseEval(line, body, {
    old,
    query: query!,
    startMs: parseTime(from!),
    endMs: parseTime(to!),
    stepMs: parseTime(step!),
  });
}

/** Milliseconds of a duration with or without sign, or of plain seconds. */
function parseTime(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  const plain = text.replace(/^[-+]/, "");
  return sign * (/^[\d.]+$/.test(plain) ? Number(plain) * 1000 : parseDuration(plain));
}

function parseLoad(
  line: number,
  body: Body,
  head: Pick<LoadCommand, "stepMs" | "withHistograms">,
): LoadCommand {
  const series: ScriptSeries[] = [];
  let starts: { readonly labels: Labels; readonly row: string } | undefined;
  for (const { text } of body) {
    const end = endOfMetric(text);
    if (text.startsWith("@st", end)) {
      if (starts !== undefined) throw new Error("start times without a row of samples");
      starts = { labels: parseMetric(text.slice(0, end)), row: text.slice(end + 3) };
      continue;
    }
    const one = parseSeries(text);
    if (starts !== undefined && starts.labels.key !== one.labels.key)
      throw new Error("start times stand before samples of other labels");
    series.push({ ...one, startOffsetsMs: starts && parseOffsets(starts.row) });
    starts = undefined;
  }
  return { kind: "load", line, ...head, series };
}

interface EvalHead {
  readonly old: string | undefined;
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number | undefined;
}

function parseEval(line: number, body: Body, { old, ...head }: EvalHead): EvalCommand {
  const expectations: Expectation[] = [];
  const series: ScriptSeries[] = [];
  let scalar: number | undefined;
  let text: string | undefined;
  let rangeVector: EvalCommand["rangeVector"];
  if (old !== undefined)
    expectations.push({ kind: old as Expectation["kind"], message: undefined, pattern: undefined });
  for (const { text: row } of body) {
    const string = /^expect string\s+(["'`])(.*)\1$/.exec(row);
    const vector = /^expect range vector from (\S+) to (\S+) step (\S+)$/.exec(row);
    if (string !== null)
      text = string[1] === '"' ? (JSON.parse(`"${string[2]!}"`) as string) : string[2]!;
    else if (vector !== null)
      rangeVector = { startMs: parseTime(vector[1]!), stepMs: parseTime(vector[3]!) };
    else if (/^(?:expect|expected_fail)/.test(row)) expectations.push(parseExpectation(row));
    else if (head.stepMs === undefined && parseNumber(row) !== undefined) scalar = parseNumber(row);
    else series.push(parseSeries(row));
  }
  return { kind: "eval", line, ...head, expectations, scalar, text, rangeVector, series };
}

function parseExpectation(row: string): Expectation {
  const failed = /^expected_fail_(message|regexp)\s+(.*)$/.exec(row);
  if (failed !== null) {
    const isMessage = failed[1] === "message";
    return {
      kind: "fail",
      message: isMessage ? failed[2] : undefined,
      pattern: isMessage ? undefined : new RegExp(failed[2]!),
    };
  }
  const match = /^expect (fail|warn|info|no_warn|no_info|ordered)(?:\s+(msg|regex):\s*(.*))?$/.exec(
    row,
  );
  if (match === null) throw new Error(`unknown expectation: ${row}`);
  const [, kind, how, what] = match;
  return {
    kind: kind as Expectation["kind"],
    message: how === "msg" ? what : undefined,
    pattern: how === "regex" ? new RegExp(what!) : undefined,
  };
}

/** `name{label="value"} points`. */
function parseSeries(row: string): ScriptSeries {
  const end = endOfMetric(row);
  return { labels: parseMetric(row.slice(0, end)), points: parsePoints(row.slice(end)) };
}

function endOfMetric(row: string): number {
  const match = /^[^\s{@]*(?:\{(?:[^"'`}]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*\})?/.exec(
    row,
  );
  return match![0].length;
}

function parseMetric(text: string): Labels {
  if (/^\{\s*\}$/.test(text)) return Labels.EMPTY;
  return Labels.fromPairs(parseMetricSelector(text).flatMap(({ name, value }) => [name, value]));
}
