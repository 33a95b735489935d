/** Divides the memory Finch may use between the parts that hold data. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";

export interface MemoryBudget {
  readonly totalBytes: number;
  /** Of the head of metrics. */
  readonly metricHeadBytesMax: number;
  /** Of the head of logs. While one is sealed the next fills, and both are held. */
  readonly logHeadBytesMax: number;
  /** Of each signal's records that wait for the WAL. */
  readonly pendingBytesMax: number;
  /** Of request bodies held at once, for each listener. */
  readonly bodyBytesHeldMax: number;
  /** Of samples and results of all PromQL queries. */
  readonly queryBytesMax: number;
  /** Of labels and other objects in all query workers. */
  readonly queryHeapBytesMax: number;
}

const MIB = 1024 * 1024;

/** The cgroup's limit when there is one, else half of RAM. */
export function detectMemoryLimit(): number {
  const half = Math.floor(totalmem() / 2);
  const cgroup = readCgroupLimit();
  return cgroup === undefined ? half : Math.min(cgroup, totalmem());
}

/** Version 2 says `max`, version 1 a number near 2^63, when there is no limit. */
function readCgroupLimit(): number | undefined {
  for (const path of ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]) {
    let text: string;
    try {
      text = readFileSync(path, "utf8").trim();
    } catch {
      continue;
    }
    const bytes = Number(text);
    if (Number.isFinite(bytes) && bytes > 0 && bytes < totalmem()) return bytes;
  }
  return undefined;
}

/** An eighth for each head, and bounded: a head larger than this is sealed, not lost. Full pages of logs are compressed in the head, so that less does. */
export function divideMemory(totalBytes: number): MemoryBudget {
  const within = (share: number, min: number, max: number) =>
    Math.max(min * MIB, Math.min(max * MIB, Math.floor(totalBytes * share)));
  return {
    totalBytes,
    metricHeadBytesMax: within(1 / 8, 16, 256),
    logHeadBytesMax: within(1 / 8, 16, 40),
    pendingBytesMax: within(1 / 16, 8, 64),
    bodyBytesHeldMax: within(1 / 16, 16, 128),
    queryBytesMax: within(1 / 4, 32, 4096),
    queryHeapBytesMax: within(1 / 4, 64, 2048),
  };
}
