/** A collector as people see it: who it is, whether it calls in, what it runs against what it should, and how it does. */
import type { Drift } from "./collector.ts";
import { driftOf } from "./collector.ts";
import type { Collector } from "./collector.ts";
import type { RemoteStatus } from "./collector-messages.ts";
import type { ConfigurationVersion } from "./configuration-store.ts";
import type { CollectorFigures } from "./fleet-figures.ts";

export interface CollectorView {
  readonly id: string;
  readonly resourceId: string;
  readonly name: string;
  /** What selectors look at. */
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly os: string;
  readonly firstContactMs: number;
  readonly lastContactMs: number;
  /** `gone`: it said good-bye; `silent`: it did not, and has not been heard of. */
  readonly contact: "connected" | "silent" | "gone";
  /** What it should run; undefined when nothing is meant for it. */
  readonly configuration:
    | { readonly name: string; readonly version: number; readonly hash: string }
    | undefined;
  /** What it runs, as far as it says; empty when it has said nothing. */
  readonly runningHash: string;
  readonly drift: Drift;
  readonly status: RemoteStatus;
  readonly statusError: string;
  readonly statusAtMs: number | undefined;
  readonly figures: CollectorFigures | undefined;
}

export function viewOf(
  collector: Collector,
  about: {
    readonly labels: CollectorView["labels"];
    readonly wanted: ConfigurationVersion | undefined;
    readonly isThere: boolean;
    readonly figures: CollectorFigures | undefined;
  },
): CollectorView {
  const { labels, wanted, figures } = about;
  const { attributes } = collector;
  return {
    id: collector.id,
    resourceId: collector.resourceId,
    name: collector.name,
    labels,
    version: attributes["collector.version"] ?? "",
    os: attributes["collector.os"] ?? "",
    firstContactMs: collector.firstContactMs,
    lastContactMs: collector.lastContactMs,
    contact: contactOf(collector, about.isThere),
    configuration:
      wanted === undefined
        ? undefined
        : { name: wanted.configuration, version: wanted.number, hash: wanted.hash },
    runningHash: collector.effectiveHash ?? collector.appliedHash,
    drift: driftOf(collector, wanted?.hash),
    status: collector.status,
    statusError: collector.statusError,
    statusAtMs: collector.statusAtMs,
    figures,
  };
}

function contactOf({ goneAtMs }: Collector, isThere: boolean): CollectorView["contact"] {
  if (goneAtMs !== undefined) return "gone";
  return isThere ? "connected" : "silent";
}
