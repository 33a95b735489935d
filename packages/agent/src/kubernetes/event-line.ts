/** Log lines of cluster events, as Alloy's `loki.source.kubernetes_events` writes them, key for key. */
import { quote } from "@finch/go-text";
import { parseRfc3339 } from "@finch/model";
import { goJson } from "../components/loki/go-json.ts";
import type { ClusterEvent } from "./objects.ts";

export type EventFormat = "logfmt" | "json";

/** The line of an event; undefined when it does not say what it is about. */
export function formatEvent(event: ClusterEvent, format: EventFormat): string | undefined {
  const subject = event.involvedObject;
  if (subject?.name === undefined || subject.name === "") return undefined;
  const fields: readonly (readonly [string, string | number | undefined])[] = [
    ["name", subject.name],
    ["kind", subject.kind],
    ["action", event.action],
    ["objectAPIversion", subject.apiVersion],
    ["objectRV", subject.resourceVersion],
    ["eventRV", event.metadata.resourceVersion],
    ["reportinginstance", event.reportingInstance],
    ["reportingcontroller", event.reportingComponent],
    ["sourcecomponent", event.source?.component],
    ["sourcehost", event.source?.host],
    ["reason", event.reason],
    ["type", event.type],
    ["count", event.count],
  ];
  const present = fields.filter(([, value]) => value !== undefined && value !== "" && value !== 0);
  const message = event.message ?? "";
  if (format === "json") return toJson([...present, ["msg", message]]);
  // A blank stands behind the message, too.
  return [...present, ["msg", quote(message)]].map(([key, value]) => `${key}=${value} `).join("");
}

/** Keys in order, as Go writes maps. */
function toJson(fields: readonly (readonly [string, string | number | undefined])[]): string {
  const members = fields
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `"${key}":${typeof value === "string" ? goJson(value) : value}`);
  return `{${members.join(",")}}`;
}

/** When an event happened (last), in Unix nanoseconds; undefined when it does not say. */
export function eventTimeNs(event: ClusterEvent): bigint | undefined {
  for (const text of [event.lastTimestamp, event.eventTime, event.metadata.creationTimestamp]) {
    const ns = typeof text === "string" ? parseRfc3339(text) : undefined;
    if (ns !== undefined) return ns;
  }
  return undefined;
}
