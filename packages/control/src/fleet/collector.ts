/** What is known of a collector, and what one call of it changes. Pure; `collector-registry.ts` keeps the records. */
import type { CollectorCall, RemoteStatus } from "./collector-messages.ts";

export interface Collector {
  /** As it names itself; unique in the fleet. */
  readonly id: string;
  /** Resource id of the agent whose token it shows. */
  readonly resourceId: string;
  /** For people; may be empty. */
  readonly name: string;
  /** What it says of itself, `collector.version` and `collector.os` among it. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly firstContactMs: number;
  readonly lastContactMs: number;
  /** When it said good-bye; undefined while it has not, or has come back. */
  readonly goneAtMs: number | undefined;
  /** The hash that it named in its last call. */
  readonly toldHash: string;
  /** The hash of what it was given last. */
  readonly givenHash: string;
  /** Of what it was given and named not in its next call, but something older; empty when it took what it was given last. */
  readonly ignoredHash: string;
  readonly status: RemoteStatus;
  readonly statusError: string;
  readonly statusAtMs: number | undefined;
  /** Of the configuration that it said to have applied last; empty when it has said so of none since it started. */
  readonly appliedHash: string;
  /** Of the configuration that it could not apply; empty when there is none. */
  readonly failedHash: string;
  /** Of the configuration that it says to run; undefined for collectors that do not say. */
  readonly effectiveHash: string | undefined;
}

/** A collector that is heard of for the first time. */
export function firstContact(
  call: Pick<CollectorCall, "id">,
  { resourceId, nowMs }: { readonly resourceId: string; readonly nowMs: number },
): Collector {
  return {
    id: call.id,
    resourceId,
    name: "",
    attributes: {},
    firstContactMs: nowMs,
    lastContactMs: nowMs,
    goneAtMs: undefined,
    toldHash: "",
    givenHash: "",
    ignoredHash: "",
    status: "unset",
    statusError: "",
    statusAtMs: undefined,
    appliedHash: "",
    failedHash: "",
    effectiveHash: undefined,
  };
}

/** The collector after it registered. A name or attributes that are left out stay. */
export function afterRegister(before: Collector, call: CollectorCall, nowMs: number): Collector {
  return {
    ...before,
    name: call.name === "" ? before.name : call.name,
    attributes: attributesAfter(before, call),
    lastContactMs: nowMs,
    goneAtMs: undefined,
  };
}

/**
 * The collector after it asked for its configuration. It names a hash from the moment it was given the configuration, and tells what became of it in the same
 * call or a later one. Without a hash it has just started. A failure about a configuration that it has applied already is not about that configuration: Alloy says
 * so when it could not ask.
 */
export function afterAsking(before: Collector, call: CollectorCall, nowMs: number): Collector {
  const { report } = call;
  const isNewProcess = call.hash === "" && before.toldHash !== "";
  const since = isNewProcess ? { ...before, appliedHash: "", failedHash: "" } : before;
  return {
    ...since,
    ...(report !== undefined && {
      status: report.status,
      statusError: report.error,
      statusAtMs: nowMs,
    }),
    ...(report?.status === "applied" && { appliedHash: call.hash, failedHash: "" }),
    ...(report?.status === "failed" &&
      call.hash !== since.appliedHash && { failedHash: call.hash }),
    attributes: attributesAfter(before, call),
    toldHash: call.hash,
    ignoredHash: ignoredHashAfter(since, call.hash),
    effectiveHash: call.effectiveHash ?? since.effectiveHash,
    lastContactMs: nowMs,
    goneAtMs: undefined,
  };
}

/** A collector that has just started names nothing, and is given what it should have again. */
function ignoredHashAfter({ givenHash }: Collector, toldHash: string): string {
  if (toldHash === "" || givenHash === "" || toldHash === givenHash) return "";
  return givenHash;
}

function attributesAfter(before: Collector, call: CollectorCall): Collector["attributes"] {
  return Object.keys(call.attributes).length === 0 ? before.attributes : call.attributes;
}

/** Whether only the time of the last contact differs. */
export function isSameButTime(a: Collector, b: Collector): boolean {
  return JSON.stringify({ ...a, lastContactMs: 0 }) === JSON.stringify({ ...b, lastContactMs: 0 });
}

/** Whether both say the same of what became of versions. */
export function isSameReport(a: Collector, b: Collector): boolean {
  return (
    a.status === b.status &&
    a.statusError === b.statusError &&
    a.appliedHash === b.appliedHash &&
    a.failedHash === b.failedHash
  );
}

/** What its configuration is against the one it should have. */
export type Drift = "unmanaged" | "in-sync" | "pending" | "failed" | "drifted";

export function driftOf(collector: Collector, wantedHash: string | undefined): Drift {
  if (wantedHash === undefined) return "unmanaged";
  if (collector.failedHash === wantedHash) return "failed";
  if (collector.appliedHash === wantedHash) {
    const { effectiveHash = wantedHash } = collector;
    return effectiveHash === wantedHash ? "in-sync" : "drifted";
  }
  return collector.ignoredHash === wantedHash ? "drifted" : "pending";
}
