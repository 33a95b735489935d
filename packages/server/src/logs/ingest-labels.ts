/** What Loki adds to entries at ingest: the label `service_name` and the structured metadata `detected_level`. */
import { LOG_LEVELS, LogLevelDetector } from "@finch/codec/kernels";
import { Labels } from "@finch/model";
import type { LogBatchStream, LogColumns } from "@finch/model";
import { levelOfLabels, levelOfMetadata, normalLevel } from "./level.ts";

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

const withName = new WeakMap<Labels, Labels>();

/** The stream labels with `service_name`. */
export function withServiceName(labels: Labels): Labels {
  let named = withName.get(labels);
  if (named === undefined) withName.set(labels, (named = addServiceName(labels)));
  return named;
}

function addServiceName(labels: Labels): Labels {
  if (labels.get(SERVICE_NAME) !== "") return labels;
  for (const name of SERVICE_LABELS) {
    const value = labels.get(name);
    if (value !== "") return labels.with(SERVICE_NAME, value);
  }
  return labels.with(SERVICE_NAME, UNKNOWN_SERVICE);
}

const detector = new LogLevelDetector();
/** Of entries without other metadata, which most are: the empty set, and the set of each level. */
const LEVEL_SETS: readonly Labels[] = [
  Labels.EMPTY,
  ...LOG_LEVELS.map((level) => Labels.EMPTY.with(DETECTED_LEVEL, level)),
];
/** Of a metadata set whose level is that of the line. */
const BY_LINE = -1;

/** Memory for the numbers of sets: streams have few entries in a push, and a buffer for each would cost the collector more than its numbers. */
const NUMBERS_AT_ONCE = 16 * 1024;
let numbers = new Uint32Array(0);
let numbersTaken = 0;

/** So many zeros, in memory that others have a part of. */
function takeNumbers(count: number): Uint32Array {
  if (count > NUMBERS_AT_ONCE / 4) return new Uint32Array(count);
  if (numbersTaken + count > numbers.length) {
    numbers = new Uint32Array(NUMBERS_AT_ONCE);
    numbersTaken = 0;
  }
  numbersTaken += count;
  return numbers.subarray(numbersTaken - count, numbersTaken);
}

/** The entries with `detected_level` in the metadata of each line that does not have it. */
export function withDetectedLevels(stream: LogBatchStream): LogColumns {
  const { entries } = stream;
  const { count, lines, lineBounds, metadataSets } = entries;
  if (metadataSets.length === 1 && levelOfLabels(stream.labels) === undefined) {
    const levels = detector.detect(lines, lineBounds, count);
    const metadataOf = takeNumbers(count);
    for (let row = 0; row < count; row++) metadataOf[row] = levels[row]! + 1;
    return { ...entries, metadataSets: LEVEL_SETS, metadataOf };
  }
  const sets: Labels[] = [...metadataSets];
  const levelledOf = levelledSets(stream, sets);
  if (!levelledOf.includes(BY_LINE))
    return { ...entries, metadataSets: sets, metadataOf: replace(entries, levelledOf) };
  const levels = detector.detect(lines, lineBounds, count);
  /** By set and level: the set with the level, or 0 before it is made. */
  const extended = new Uint32Array(metadataSets.length * LOG_LEVELS.length);
  const metadataOf = takeNumbers(count);
  for (let row = 0; row < count; row++) {
    const set = entries.metadataOf[row]!;
    const levelled = levelledOf[set]!;
    if (levelled !== BY_LINE) {
      metadataOf[row] = levelled;
      continue;
    }
    const place = set * LOG_LEVELS.length + levels[row]!;
    let index = extended[place]!;
    if (index === 0) {
      index = sets.length;
      sets.push(sets[set]!.with(DETECTED_LEVEL, LOG_LEVELS[levels[row]!]!));
      extended[place] = index;
    }
    metadataOf[row] = index;
  }
  return { ...entries, metadataSets: sets, metadataOf };
}

/** What takes the place of each metadata set: the set with its level, put behind `sets`, or itself when it has one; {@link BY_LINE} when it tells none. */
function levelledSets({ labels, entries }: LogBatchStream, sets: Labels[]): Int32Array {
  const ofStream = levelOfLabels(labels);
  return Int32Array.from(entries.metadataSets, (set, number) => {
    const told = set.get(DETECTED_LEVEL);
    if (told !== "" && normalLevel(told) === told) return number;
    const level = told === "" ? (ofStream ?? levelOfMetadata(set)) : normalLevel(told);
    if (level === undefined) return BY_LINE;
    sets.push(set.with(DETECTED_LEVEL, level));
    return sets.length - 1;
  });
}

function replace({ metadataOf, count }: LogColumns, by: Int32Array): Uint32Array {
  const replaced = takeNumbers(count);
  for (let row = 0; row < count; row++) replaced[row] = by[metadataOf[row]!]!;
  return replaced;
}
