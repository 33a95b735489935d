/** What Loki adds to entries at ingest: the label `service_name` and the structured metadata `detected_level`. */
import type { Labels } from "@finch/model";
import type { LogBatchStream, LogColumns } from "@finch/model";
import { levelOfLabels, levelOfLine, levelOfMetadata } from "./level.ts";

/** Labels that name the service, in order of preference. */
const SERVICE_LABELS = [
  "service",
  "app",
  "application",
  "app_name",
  "name",
  "app_kubernetes_io_name",
  "container",
  "container_name",
  "k8s_container_name",
  "component",
  "workload",
  "job",
  "k8s_job_name",
] as const;

const SERVICE_NAME = "service_name";
const DETECTED_LEVEL = "detected_level";
const UNKNOWN_SERVICE = "unknown_service";

/** The stream labels with `service_name`. */
export function withServiceName(labels: Labels): Labels {
  if (labels.get(SERVICE_NAME) !== "") return labels;
  for (const name of SERVICE_LABELS) {
    const value = labels.get(name);
    if (value !== "") return labels.with(SERVICE_NAME, value);
  }
  return labels.with(SERVICE_NAME, UNKNOWN_SERVICE);
}

/** The entries with `detected_level` in the metadata of each line that does not have it. */
export function withDetectedLevels(stream: LogBatchStream): LogColumns {
  const { labels, entries } = stream;
  const ofStream = levelOfLabels(labels);
  const ofSets = entries.metadataSets.map((set) =>
    set.has(DETECTED_LEVEL) ? "" : (ofStream ?? levelOfMetadata(set)),
  );
  const sets: Labels[] = [...entries.metadataSets];
  const metadataOf = new Uint32Array(entries.count);
  const extended = new Map<string, number>();
  for (let row = 0; row < entries.count; row++) {
    const set = entries.metadataOf[row]!;
    const level =
      ofSets[set] ??
      levelOfLine(entries.lines, entries.lineBounds[row]!, entries.lineBounds[row + 1]!);
    metadataOf[row] = level === "" ? set : extend(sets, extended, set, level);
  }
  return { ...entries, metadataSets: sets, metadataOf };
}

/** Index of set `set` with the level added; made once. */
function extend(sets: Labels[], extended: Map<string, number>, set: number, level: string): number {
  const key = `${set} ${level}`;
  let index = extended.get(key);
  if (index === undefined) {
    index = sets.length;
    sets.push(sets[set]!.with(DETECTED_LEVEL, level));
    extended.set(key, index);
  }
  return index;
}
