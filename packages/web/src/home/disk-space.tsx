/** How full each disk is, fullest first. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { queryMetricsInstant, seriesOf } from "../api/metrics-api.ts";
import { formatValue } from "../format-value.ts";
import { useRange } from "../time/range-context.tsx";
import { diskSpaceQuery, diskSpaces, type DiskSpace } from "./machine-panels.ts";
import { PanelSkeleton } from "./panel-skeleton.tsx";

/** From here on a disk is shown as filling up, and as full. */
export const PERCENT_WARN = 80;
export const PERCENT_FULL = 92;

/** Disk space at the end of the page's range; undefined until it is known. */
export function useDiskSpaces(instance: string | undefined): readonly DiskSpace[] | undefined {
  const { range, span } = useRange();
  const at = range.kind === "live" ? "now" : Math.round(span.toMs / 1000);
  return useQuery({
    queryKey: ["disk-space", instance, at],
    enabled: instance !== undefined,
    queryFn: async ({ signal }) => {
      const seconds = at === "now" ? Date.now() / 1000 : at;
      return diskSpaces(
        seriesOf(await queryMetricsInstant(diskSpaceQuery(instance ?? ""), seconds, signal)),
      );
    },
    refetchInterval: at === "now" ? 15_000 : false,
    placeholderData: (before) => before,
  }).data;
}

export function DiskSpacePanel({ instance }: { readonly instance: string | undefined }): ReactNode {
  const disks = useDiskSpaces(instance);
  return (
    <section className="panel">
      <header className="panel-head">
        <h2>Disk space</h2>
        <span className="hint">used of each file system</span>
      </header>
      {disks === undefined || disks.length === 0 ? (
        <PanelSkeleton
          text={instance === undefined ? "Waiting for the first scrape…" : "No disk was reported."}
        />
      ) : (
        <ul className="disks">
          {disks.map((disk) => (
            <DiskRow key={disk.mount} disk={disk} />
          ))}
        </ul>
      )}
    </section>
  );
}

function DiskRow({ disk }: { readonly disk: DiskSpace }): ReactNode {
  return (
    <li title={disk.device}>
      <div className="disk-name">
        <b>{disk.mount}</b>
        <span>
          {formatValue(disk.usedBytes, "bytes")} of {formatValue(disk.sizeBytes, "bytes")}
        </span>
        <b className="disk-percent">{formatValue(disk.percent, "percent")}</b>
      </div>
      <div
        className={`bar bar-${fullness(disk.percent)}`}
        role="meter"
        aria-label={`${disk.mount} used`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(disk.percent)}
      >
        <i style={{ width: `${Math.min(100, disk.percent)}%` }} />
      </div>
    </li>
  );
}

function fullness(percent: number): "calm" | "warn" | "full" {
  if (percent >= PERCENT_FULL) return "full";
  return percent >= PERCENT_WARN ? "warn" : "calm";
}
