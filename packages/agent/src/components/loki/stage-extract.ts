/** Stages that take values out of a line: `json`, `logfmt`, `regex`, `docker`, `cri`. */
import { compileRegexp, parseRfc3339 } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { maybe, notYet, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { parseJsonPath, readJsonPath } from "./json-path.ts";
import { readLogfmt } from "./logfmt.ts";
import { eachEntry, holdingStage, sourceText, streamKeyOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage, StageContext } from "./process-stage.ts";

export const JSON_STAGE = {
  expressions: required(
    "map(string)",
    "Extracted names and the JMESPath of each; an empty one means the name itself.",
  ),
  source: maybe("string", "Extracted value to parse instead of the line."),
  drop_malformed: optional("bool", false, "Drop lines that are not JSON."),
  regex: notYet("attribute", "Takes all keys that match."),
} as const;

export function jsonStage(values: ValuesOf<typeof JSON_STAGE>, context: StageContext): Stage {
  const paths = Object.entries(values.expressions).map(
    ([name, expression]) => [name, parseJsonPath(expression || JSON.stringify(name))] as const,
  );
  return (entries) => {
    const kept: PipelineEntry[] = [];
    for (const entry of entries) {
      const object = parseJson(sourceText(entry, values.source));
      if (object !== undefined)
        for (const [name, path] of paths) entry.extracted.set(name, readJsonPath(object, path));
      if (object !== undefined || !values.drop_malformed) kept.push(entry);
    }
    if (kept.length < entries.length) context.dropped("malformed", entries.length - kept.length);
    return kept;
  };
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
  regex: notYet("attribute", "Takes all keys that match."),
} as const;

export function logfmtStage(values: ValuesOf<typeof LOGFMT_STAGE>): Stage {
  const names = new Map<string, string[]>();
  for (const [name, key] of Object.entries(values.mapping ?? {})) {
    const wanted = key || name;
    names.set(wanted, [...(names.get(wanted) ?? []), name]);
  }
  return eachEntry((entry) => {
    readLogfmt(sourceText(entry, values.source) ?? "", (key, value) => {
      for (const name of names.get(key) ?? []) entry.extracted.set(name, value);
    });
  });
}

export const REGEX_STAGE = {
  expression: required("string", "RE2 pattern; every group must be named."),
  source: maybe("string", "Extracted value to match instead of the line."),
  labels_from_groups: optional("bool", false, "Make labels of the groups, too."),
} as const;

export function regexStage(values: ValuesOf<typeof REGEX_STAGE>): Stage {
  const regexp = compileRegexp(values.expression, { anchored: false });
  const names = regexp.groupNames;
  if (names.length < 2 || names.slice(1).includes("")) {
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      `stage.regex: every group of ${JSON.stringify(values.expression)} must be named, and there must be one: (?P<name>…)`,
    );
  }
  return eachEntry((entry) => {
    const groups = regexp.exec(sourceText(entry, values.source) ?? "");
    if (groups === undefined) return;
    for (let i = 1; i < names.length; i++) {
      const text = groups[i] ?? "";
      entry.extracted.set(names[i]!, text);
      if (values.labels_from_groups && text !== "") entry.setLabel(names[i]!, text);
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
  max_partial_lines: optional("number", 100, "Pieces of one line that are kept together.", {
    min: 1,
  }),
  max_partial_line_size: notYet("attribute", "Longest line put together from pieces."),
  max_partial_line_size_truncate: notYet(
    "attribute",
    "Cut longer ones instead of dropping the rest.",
  ),
} as const;

const CRI_LINE = /^(\S+) (stdout|stderr) (\S) (.*)$/s;

/** Pieces of a line whose end has not come, and the entry of the last one. */
interface PartialLine {
  entry: PipelineEntry;
  readonly pieces: string[];
}

/** `TIME STREAM F|P CONTENT`, what container runtimes write; pieces flagged P are joined per stream of labels. */
export function criStage(values: ValuesOf<typeof CRI_STAGE>): Stage {
  const partial = new Map<string, PartialLine>();
  const join = ({ entry, pieces }: PartialLine): PipelineEntry => {
    entry.line = pieces.join("");
    entry.extracted.set("content", entry.line);
    return entry;
  };
  const run = (entries: PipelineEntry[]) => {
    const out: PipelineEntry[] = [];
    for (const entry of entries) {
      const match = CRI_LINE.exec(entry.line);
      if (match === null) {
        out.push(entry);
        continue;
      }
      const [, time, stream, flag, content] = match;
      setStreamAndTime(entry, stream, time);
      const key = streamKeyOf(entry);
      const line = partial.get(key) ?? { entry, pieces: [] };
      line.entry = entry;
      line.pieces.push(content!);
      if (flag === "P" && line.pieces.length < values.max_partial_lines) {
        partial.set(key, line);
        continue;
      }
      partial.delete(key);
      out.push(join(line));
    }
    return out;
  };
  return holdingStage(run, {
    // The runtime writes the end of a line soon, or never: there is no time to hand pieces on but a stop.
    dueMs: () => undefined,
    release(which) {
      if (which === "due") return [];
      const lines = [...partial.values()].map(join);
      partial.clear();
      return lines;
    },
  });
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
