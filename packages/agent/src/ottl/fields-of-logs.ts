/** Paths of log records. */
import { attributeText } from "../otel/attribute-values.ts";
import {
  attributesField,
  countField,
  idFields,
  keyedIn,
  textField,
  timeField,
  wideField,
  type Fields,
} from "./fields.ts";
import { text } from "./signature.ts";
import type { Subject } from "./subject.ts";
import { toStored } from "./values.ts";

const log = (subject: Subject) => subject.log!;

export const LOG_FIELDS: Fields = {
  time_unix_nano: wideField(log, "timeUnixNano"),
  observed_time_unix_nano: wideField(log, "observedTimeUnixNano"),
  time: timeField(log, "timeUnixNano"),
  observed_time: timeField(log, "observedTimeUnixNano"),
  severity_number: countField(log, "severityNumber"),
  severity_text: textField(log, "severityText"),
  body: {
    get: (subject) => log(subject).body,
    set: (subject, value) => {
      log(subject).body = toStored(value);
    },
    keyed: keyedIn((subject) => log(subject).body),
  },
  "body.string": {
    get: (subject) => attributeText(log(subject).body),
    set: (subject, value) => {
      log(subject).body = text.convert(value);
    },
    keyed: undefined,
  },
  attributes: attributesField(log, "attributes"),
  dropped_attributes_count: countField(log, "droppedAttributesCount"),
  flags: countField(log, "flags"),
  ...idFields(log, "traceId", { name: "trace_id", length: 16 }),
  ...idFields(log, "spanId", { name: "span_id", length: 8 }),
  event_name: textField(log, "eventName"),
};
