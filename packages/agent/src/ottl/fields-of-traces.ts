/** Paths of spans and their events. */
import { SPAN_KINDS } from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import {
  attributesField,
  countField,
  idFields,
  partsField,
  textField,
  timeField,
  wideField,
  type Field,
  type Fields,
  type KeyedAccess,
} from "./fields.ts";
import { text } from "./signature.ts";
import type { Subject } from "./subject.ts";
import { typeOf, type OttlValue } from "./values.ts";

const KIND_NAMES = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];

const span = (subject: Subject) => subject.span!;
const event = (subject: Subject) => subject.spanEvent!;
const status = (subject: Subject) => subject.span!.status;

export const SPAN_FIELDS: Fields = {
  ...idFields(span, "traceId", { name: "trace_id", length: 16 }),
  ...idFields(span, "spanId", { name: "span_id", length: 8 }),
  ...idFields(span, "parentSpanId", { name: "parent_span_id", length: 8 }),
  trace_state: { ...textField(span, "traceState"), keyed: traceStateKeys() },
  name: textField(span, "name"),
  kind: countField(span, "kind"),
  "kind.string": kindField(KIND_NAMES, ""),
  "kind.deprecated_string": kindField(SPAN_KINDS, ""),
  start_time_unix_nano: wideField(span, "startTimeUnixNano"),
  end_time_unix_nano: wideField(span, "endTimeUnixNano"),
  start_time: timeField(span, "startTimeUnixNano"),
  end_time: timeField(span, "endTimeUnixNano"),
  attributes: attributesField(span, "attributes"),
  dropped_attributes_count: countField(span, "droppedAttributesCount"),
  events: partsField("span events", (subject) => span(subject).events),
  dropped_events_count: countField(span, "droppedEventsCount"),
  links: partsField("span links", (subject) => span(subject).links),
  dropped_links_count: countField(span, "droppedLinksCount"),
  "status.code": countField(status, "code"),
  "status.message": textField(status, "message"),
  flags: countField(span, "flags"),
};

export const SPAN_EVENT_FIELDS: Fields = {
  name: textField(event, "name"),
  time_unix_nano: wideField(event, "timeUnixNano"),
  time: timeField(event, "timeUnixNano"),
  attributes: attributesField(event, "attributes"),
  dropped_attributes_count: countField(event, "droppedAttributesCount"),
  event_index: {
    get: (subject) => BigInt(subject.spanEventIndex),
    set: () => {
      throw new OttlRunFault("event_index cannot be set");
    },
    keyed: undefined,
  },
};

function kindField(names: readonly string[], unknown: string): Field {
  return {
    get: (subject) => names[span(subject).kind] ?? unknown,
    set: (subject, value) => {
      const kind = names.indexOf(text.convert(value));
      if (kind < 0) throw new OttlRunFault(`${JSON.stringify(value)} is no kind of span`);
      span(subject).kind = kind;
    },
    keyed: undefined,
  };
}

/** One entry of the trace state: `a=1,b=2`. A changed entry moves to the front, as the W3C asks. */
function traceStateKeys(): KeyedAccess {
  return {
    get: (subject, keys) => {
      const name = nameOf(keys);
      return entriesOf(span(subject).traceState).find(([key]) => key === name)?.[1] ?? "";
    },
    set: (subject, keys, value) => {
      const name = nameOf(keys);
      const others = entriesOf(span(subject).traceState).filter(([key]) => key !== name);
      const entries = [[name, text.convert(value)], ...others];
      span(subject).traceState = entries.map(([key, item]) => `${key}=${item}`).join(",");
    },
  };
}

function nameOf(keys: readonly OttlValue[]): string {
  const [name] = keys;
  if (keys.length === 1 && typeof name === "string") return name;
  throw new OttlRunFault(`trace_state has one key, a string, not ${typeOf(name ?? null)}`);
}

function entriesOf(traceState: string): [string, string][] {
  return traceState
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry.includes("="))
    .map((entry) => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]);
}
