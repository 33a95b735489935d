/**
 * The agent's own log lines in the form of Alloy, so that what reads the one reads the other:
 * `ts=2026-01-02T03:04:05.678Z level=info msg="…" component_path=/ component_id=loki.write.x key=value`, or the same as a JSON object.
 */
import type { LogEvent } from "@finch/runtime";

export type LineFormat = "logfmt" | "json";

export function formatAgentLine(event: LogEvent, format: LineFormat): string {
  const fields: [key: string, value: string | number | boolean][] = [
    ["ts", new Date(event.timeMs).toISOString().replace(/\.?0*Z$/, "Z")],
    ["level", event.level],
    ["msg", event.msg],
    ...placeOf(event.part),
  ];
  for (const [key, value] of Object.entries(event.fields))
    if (value !== undefined) fields.push([key, value]);
  if (format === "json") return JSON.stringify(Object.fromEntries(fields));
  return fields.map(([key, value]) => `${key}=${quote(String(value))}`).join(" ");
}

/** `mod.a/loki.write.b` is the component `loki.write.b` in the module `/mod.a`; what has no dot is a part of the agent. */
function placeOf(part: string): [key: string, value: string][] {
  const slash = part.lastIndexOf("/");
  const id = part.slice(slash + 1);
  if (!id.includes(".")) return [["service", part]];
  return [
    ["component_path", `/${part.slice(0, Math.max(0, slash))}`],
    ["component_id", id],
  ];
}

function quote(text: string): string {
  return /^[^\s"=\\]+$/.test(text) ? text : JSON.stringify(text);
}
