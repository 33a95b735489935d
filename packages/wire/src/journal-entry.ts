/**
 * Entries of systemd's journal as log entries: the stream is the host, the unit and the program, as are `job="systemd-journal"`; the line is `MESSAGE`; other fields
 * are structured metadata by their names in lower case, without the underscores in front.
 */
import type { JournalEntry } from "./journal-export.ts";
import type { LogEntryGroups } from "./log-entry-groups.ts";
import type { LokiPushLimits } from "./limits.ts";
import { facilityName, levelOfSeverity } from "./syslog-entry.ts";

/** Names that no field of an entry says anything by. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "MESSAGE",
  "__CURSOR",
  "__REALTIME_TIMESTAMP",
  "__MONOTONIC_TIMESTAMP",
  "__SEQNUM",
  "__SEQNUM_ID",
  "_HOSTNAME",
  "_SYSTEMD_UNIT",
  "_SYSTEMD_USER_UNIT",
  "SYSLOG_IDENTIFIER",
  "SYSLOG_FACILITY",
]);
const OMITTED = "journal_fields_omitted";
/** For the level and the fields that are left out. */
const PAIRS_RESERVED = 3;
const NS_PER_US = 1000n;

/** `nowNs` is the time of an entry without; what there is no room for in metadata is counted in `journal_fields_omitted`. */
export function addJournalEntry(
  groups: LogEntryGroups,
  { fields, omitted }: JournalEntry,
  { limits, nowNs }: { readonly limits: LokiPushLimits; readonly nowNs: bigint },
): void {
  const texts = new Map<string, string>();
  let line: Uint8Array | undefined;
  for (const { name, value } of fields) {
    if (name === "MESSAGE") line ??= value;
    else if (!texts.has(name)) texts.set(name, Buffer.from(value).toString("utf8"));
  }
  const text = (name: string) => texts.get(name) ?? "";
  const labels = ["job", "systemd-journal", "host", text("_HOSTNAME")];
  labels.push("unit", text("_SYSTEMD_USER_UNIT") || text("_SYSTEMD_UNIT"));
  labels.push("app", text("SYSLOG_IDENTIFIER") || text("_COMM"));
  const time = text("__REALTIME_TIMESTAMP");
  groups.add(labels, {
    timeNs: /^\d{1,16}$/.test(time) ? BigInt(time) * NS_PER_US : nowNs,
    line: line ?? Buffer.from(JSON.stringify(Object.fromEntries(texts))),
    metadata: metadataOf(texts, omitted, limits),
  });
}

function metadataOf(
  texts: ReadonlyMap<string, string>,
  omitted: readonly string[],
  limits: LokiPushLimits,
): readonly string[] {
  const pairs: string[] = [];
  const priority = texts.get("PRIORITY");
  if (priority !== undefined && /^[0-7]$/.test(priority))
    pairs.push("detected_level", levelOfSeverity(Number(priority)));
  const facility = texts.get("SYSLOG_FACILITY");
  if (facility !== undefined && /^\d{1,2}$/.test(facility))
    pairs.push("facility", facilityName(Number(facility)));
  let left = omitted.length;
  let bytes = 0;
  const names = new Set<string>();
  // Fields with an underscore are the journal's own word and come first; a program's field of the same name is left.
  const own = [...texts].toSorted(
    ([a], [b]) => Number(b.startsWith("_")) - Number(a.startsWith("_")),
  );
  for (const [field, value] of own) {
    const name = field.replace(/^_+/, "").toLowerCase();
    if (LEFT_OUT.has(field) || value === "" || name === "" || /^\d/.test(name)) continue;
    bytes += name.length + Buffer.byteLength(value);
    const isFull = pairs.length / 2 >= limits.metadataPairsMax - PAIRS_RESERVED;
    if (isFull || names.has(name) || bytes > limits.metadataBytesMax - 100) {
      bytes -= name.length + Buffer.byteLength(value);
      left++;
      continue;
    }
    names.add(name);
    pairs.push(name, value);
  }
  if (left > 0) pairs.push(OMITTED, String(left));
  return pairs;
}
