/** Stages that take values out of a line: `json`, `logfmt`, `regex`, `docker`, `cri`. */
import { compileRegexp, parseRfc3339 } from "@finch/model";
import type { CompiledRegexp } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { compileJsonQuery } from "./json-query.ts";
import { readLogfmt } from "./logfmt.ts";
import {
  cutBytes,
  eachEntry,
  entriesWithout,
  holdingStage,
  sourceText,
  streamKeyOf,
} from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const JSON_STAGE = {
  expressions: maybe(
    "map(string)",
    "Extracted names and the JMESPath of each; an empty one means the name itself.",
  ),
  source: maybe("string", "Extracted value to parse instead of the line."),
  drop_malformed: optional("bool", false, "Drop lines that are not JSON."),
  regex: optional("string", "", "RE2 pattern; keys in which it is found are extracted, too."),
} as const;

export function jsonStage(values: ValuesOf<typeof JSON_STAGE>, context: StageContext): Stage {
  const pattern = keyPattern("stage.json", values.regex, values.expressions);
  const queries = Object.entries(values.expressions ?? {}).map(
    ([name, expression]) => [name, compileJsonQuery(expression || JSON.stringify(name))] as const,
  );
  return (entries) => {
    const kept: PipelineEntry[] = [];
    for (const entry of entries) {
      const object = parseJson(sourceText(entry, values.source));
      if (object !== undefined)
        for (const [name, query] of queries) entry.extracted.set(name, query(object));
      if (pattern !== undefined && typeof object === "object" && object !== null)
        for (const [key, value] of Object.entries(object))
          if (pattern.test(key)) entry.extracted.set(key, value);
      if (object !== undefined || !values.drop_malformed) kept.push(entry);
    }
    if (kept.length < entries.length)
      context.dropped("malformed", {
        count: entries.length - kept.length,
        list: () => entriesWithout(entries, kept),
      });
    return kept;
  };
}

/** The pattern for keys, if there is one; names or a pattern there must be. */
function keyPattern(
  stage: string,
  regex: string,
  names: Readonly<Record<string, string>> | undefined,
): CompiledRegexp | undefined {
  if (regex !== "") return compileRegexp(regex, { anchored: false });
  if (Object.keys(names ?? {}).length === 0)
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      `${stage}: give names to extract, or a regex for them`,
    );
  return undefined;
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export const LOGFMT_STAGE = {
  mapping: maybe(
    "map(string)",
    "Extracted names and the logfmt key of each; an empty one means the name itself.",
  ),
  source: maybe("string", "Extracted value to parse instead of the line."),
  regex: optional("string", "", "RE2 pattern; keys in which it is found are extracted, too."),
} as const;

export function logfmtStage(values: ValuesOf<typeof LOGFMT_STAGE>): Stage {
  const pattern = keyPattern("stage.logfmt", values.regex, values.mapping);
  const names = new Map<string, string[]>();
  for (const [name, key] of Object.entries(values.mapping ?? {})) {
    const wanted = key || name;
    names.set(wanted, [...(names.get(wanted) ?? []), name]);
  }
  return eachEntry((entry) => {
    readLogfmt(sourceText(entry, values.source) ?? "", (key, value) => {
      for (const name of names.get(key) ?? []) entry.extracted.set(name, value);
      if (pattern?.test(key) === true) entry.extracted.set(key, value);
    });
  });
}

export const REGEX_STAGE = {
  expression: required("string", "RE2 pattern; groups with names give values."),
  source: maybe("string", "Extracted value to match instead of the line."),
  labels_from_groups: optional("bool", false, "Make labels of the groups, too."),
} as const;

export function regexStage(values: ValuesOf<typeof REGEX_STAGE>): Stage {
  const regexp = compileRegexp(values.expression, { anchored: false });
  const named = regexp.groupNames.flatMap((name, index) => (name === "" ? [] : [{ name, index }]));
  return eachEntry((entry) => {
    const source = sourceText(entry, values.source);
    const groups = source === undefined ? undefined : regexp.exec(source);
    if (groups === undefined) return;
    for (const { name, index } of named) {
      const text = groups[index] ?? "";
      entry.extracted.set(name, text);
      if (values.labels_from_groups && text !== "") entry.setLabel(name, text);
    }
  });
}

export const DOCKER_STAGE = {} as const;

/** `{"log":"…\n","stream":"stdout","time":"…"}`, what Docker's json-file driver writes. */
export function dockerStage(): Stage {
  return eachEntry((entry) => {
    const object = parseJson(entry.line) as
      | { log?: unknown; stream?: unknown; time?: unknown }
      | undefined;
    if (typeof object !== "object" || object === null) return;
    if (typeof object.log === "string") {
      entry.line = object.log.replace(/\n$/, "");
      entry.extracted.set("output", entry.line);
    }
    setStreamAndTime(entry, object.stream, object.time);
  });
}

export const CRI_STAGE = {
  max_partial_lines: optional(
    "number",
    100,
    "Streams whose line has not ended; when there is one more, all of them are handed on as they are.",
    { min: 1 },
  ),
  max_partial_line_size: optional(
    "number",
    0,
    "Bytes of a line put together from pieces, when longer ones are cut.",
    { min: 0 },
  ),
  max_partial_line_size_truncate: optional("bool", false, "Cut longer ones."),
} as const;

const CRI_LINE = /^(\S+) (stdout|stderr) (\S) (.*)$/s;

/** A line whose end never comes is handed on in pieces of this size; it would fill the memory. */
const CRI_LINE_BYTES_MAX = 16 << 20;

/** `TIME STREAM F|P CONTENT`, what container runtimes write; pieces flagged P are joined per stream of labels. */
export function criStage(values: ValuesOf<typeof CRI_STAGE>, context: StageContext): Stage {
  const { max_partial_lines: streamsMax } = values;
  const cut = criCut(values, context);
  /** Entries whose line has not ended yet. */
  let partial = new Map<string, PipelineEntry>();
  const releaseAll = (): PipelineEntry[] => {
    const entries = [...partial.values()];
    partial = new Map();
    return entries;
  };
  const run = (entries: PipelineEntry[]) => {
    const out: PipelineEntry[] = [];
    for (const entry of entries) {
      const match = CRI_LINE.exec(entry.line);
      if (match === null) {
        out.push(entry);
        continue;
      }
      const [, time, stream, flags, content] = match;
      readCri(entry, { time: time!, stream: stream!, flags: flags!, content: content! });
      const key = streamKeyOf(entry);
      const begun = partial.get(key);
      if (begun !== undefined) entry.line = begun.line + entry.line;
      partial.delete(key);
      if (flags === "P" || begun !== undefined) cut(entry);
      if (flags !== "P" || entry.line.length > CRI_LINE_BYTES_MAX) {
        out.push(entry);
        continue;
      }
      if (partial.size >= streamsMax) {
        context.metrics
          .counter(
            "loki_process_cri_partial_lines_flushed_total",
            "A count of partial lines that were flushed prematurely due to the max_partial_lines limit being exceeded",
          )
          .add(partial.size);
        out.push(...releaseAll());
      }
      partial.set(key, entry);
    }
    return out;
  };
  return holdingStage(run, {
    // The runtime writes the end of a line soon, or never: there is no time to hand pieces on but a stop.
    dueMs: () => undefined,
    release: (which) => (which === "due" ? [] : releaseAll()),
  });
}

function readCri(
  entry: PipelineEntry,
  parsed: {
    readonly time: string;
    readonly stream: string;
    readonly flags: string;
    readonly content: string;
  },
): void {
  for (const [name, value] of Object.entries(parsed)) entry.extracted.set(name, value);
  entry.line = parsed.content;
  entry.setLabel("stream", parsed.stream);
  entry.timestampNs = parseRfc3339(parsed.time) ?? entry.timestampNs;
}

/** Cuts a line put together, where that is asked for, at a whole character. */
function criCut(
  values: ValuesOf<typeof CRI_STAGE>,
  { metrics }: StageContext,
): (entry: PipelineEntry) => void {
  const { max_partial_line_size: sizeMax, max_partial_line_size_truncate: isAsked } = values;
  if (!isAsked) return () => {};
  return (entry) => {
    if (Buffer.byteLength(entry.line) <= sizeMax) return;
    entry.line = cutBytes(entry.line, sizeMax);
    metrics
      .counter(
        "loki_process_cri_lines_truncated_total",
        "A count of lines that were truncated due to the max_partial_line_size limit",
      )
      .add(1);
  };
}

function setStreamAndTime(entry: PipelineEntry, stream: unknown, time: unknown): void {
  if (typeof stream === "string") {
    entry.setLabel("stream", stream);
    entry.extracted.set("stream", stream);
  }
  if (typeof time !== "string") return;
  entry.timestampNs = parseRfc3339(time) ?? entry.timestampNs;
  entry.extracted.set("timestamp", time);
}
