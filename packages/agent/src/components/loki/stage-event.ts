/** Stages that take the messages of Windows events apart: `eventlogmessage` (lines of `key: value`), `windowsevent` (sections of them). */
import { FinchError } from "@finch/runtime";
import { optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { eachEntry, textOf } from "./process-stage.ts";
import type { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage } from "./process-stage.ts";

export const EVENT_STAGE = {
  source: optional("string", "message", "Extracted value that is the message."),
  drop_invalid_labels: optional(
    "bool",
    false,
    "Pass over keys that are no label names instead of changing them into ones.",
  ),
  overwrite_existing: optional(
    "bool",
    false,
    "Replace extracted values that are there; else the new ones end with `_extracted`.",
  ),
} as const;

type EventValues = ValuesOf<typeof EVENT_STAGE>;

const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export function eventLogMessageStage(values: EventValues): Stage {
  checkSource("stage.eventlogmessage", values.source);
  return eachEntry((entry) => {
    const message = textOf(entry.extracted.get(values.source));
    for (const line of message?.split("\r\n") ?? []) {
      const colon = line.indexOf(":");
      if (colon >= 0) setValue(entry, line.slice(0, colon), line.slice(colon + 1).trim(), values);
    }
  });
}

/** The first section describes the event; a title that opens a section stands before each key of it. */
export function windowsEventStage(values: EventValues): Stage {
  checkSource("stage.windowsevent", values.source);
  return eachEntry((entry) => {
    const message = textOf(entry.extracted.get(values.source));
    if (message === undefined) return;
    const [description, ...sections] = message.split("\r\n\r\n");
    setValue(entry, "Description", plain(description!), values);
    for (const section of sections) readSection(entry, section.split("\r\n"), values);
  });
}

function readSection(entry: PipelineEntry, lines: readonly string[], values: EventValues): void {
  let title = "";
  for (let at = 0; at < lines.length;) {
    const isFirst = at === 0;
    const line = lines[at++]!;
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const key = line.slice(0, colon);
    let value = line.slice(colon + 1);
    if (value === "") {
      if (isFirst) title = `${key}_`;
      continue;
    }
    // Lines without a colon go on with the value before.
    while (at < lines.length && lines[at] !== "" && !lines[at]!.includes(":"))
      value += `,${lines[at++]!}`;
    setValue(entry, (title + key).replaceAll(/[\t\r\n ]/g, ""), plain(value), values);
  }
}

function plain(text: string): string {
  return text.replaceAll(/[\t\r\n]/g, "").trim();
}

function setValue(entry: PipelineEntry, key: string, value: string, values: EventValues): void {
  const isName = LABEL_NAME.test(key);
  if ((!isName && values.drop_invalid_labels) || !value.isWellFormed()) return;
  let name = isName ? key : sanitized(key);
  if (entry.extracted.get(name) !== undefined && !values.overwrite_existing) name += "_extracted";
  entry.extracted.set(name, value);
}

/** As Prometheus makes a label name of any text. */
function sanitized(key: string): string {
  const name = key.replaceAll(/[^a-zA-Z0-9_]/gu, "_");
  return name === "" || /^\d/.test(name) ? `_${name.slice(1)}` : name;
}

function checkSource(stage: string, source: string): void {
  if (!LABEL_NAME.test(source))
    throw new FinchError(
      "invalid",
      "agent/bad-stage",
      `${stage}: source ${JSON.stringify(source)} is not a label name`,
    );
}
