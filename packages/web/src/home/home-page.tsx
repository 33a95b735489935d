/** Home: this machine at a glance. Big numbers, charts and logs, all over one time range. */
import { useMemo } from "react";
import type { ReactNode } from "react";
import { UNREACHABLE } from "../api/http.ts";
import { LogsPanel } from "../logs/logs-panel.tsx";
import { lastValue } from "../series/frame.ts";
import { useFrame } from "../series/use-frame.ts";
import {
  chooseStepSeconds,
  DEFAULT_RANGE,
  rateWindowSeconds,
  rangeSeconds,
} from "../time/time-range.ts";
import { ShownFrom, useRange } from "../time/range-context.tsx";
import { RangeControls } from "../time/range-controls.tsx";
import { MachineHeader } from "./machine-header.tsx";
import { MachineCharts } from "./machine-charts.tsx";
import { lastScrapeQuery, machineQueries } from "./machine-panels.ts";
import { Tiles } from "./tiles.tsx";
import { beginningOf, scrapeInterval, staleSince, useInstance, useMachine } from "./use-machine.ts";

/** Big numbers tell of now: a live page computes them at the finest step, however wide its charts are. */
const TILE_SECONDS_MAX = 900;

export function HomePage(): ReactNode {
  const { machine, reachable } = useMachine();
  const instance = useInstance(machine);
  const { range, span, nowMs, stepSeconds } = useRange();
  const live = range.kind === "live";
  const recent = live
    ? { fromMs: Math.max(span.fromMs, nowMs - TILE_SECONDS_MAX * 1000), toMs: span.toMs }
    : span;
  const recentStep = chooseStepSeconds((recent.toMs - recent.fromMs) / 1000);
  const scrape = useFrame({
    source: "metrics",
    query: instance === undefined ? undefined : lastScrapeQuery(instance),
    span: recent,
    step: recentStep,
    live,
  });
  const sampleTimes = scrape.frame?.series[0]?.values ?? [];
  const scrapeSeconds = scrapeInterval(sampleTimes);
  const lastSample = lastValue(sampleTimes);
  const stale = live ? staleSince(lastSample, { nowMs, scrapeSeconds }) : undefined;
  const queries = useMemo(
    () =>
      instance === undefined || scrape.frame === undefined
        ? undefined
        : machineQueries(instance, rateWindowSeconds(recentStep, scrapeSeconds)),
    [instance, scrape.frame === undefined, recentStep, scrapeSeconds],
  );
  // Of a range that somebody widened, all is shown; the first minutes of the usual one would be a picture of nothing.
  const beginning =
    live && range.seconds <= rangeSeconds(DEFAULT_RANGE) ? beginningOf(scrape.frame) : undefined;
  const chartsStale = stale === undefined || nowMs / 1000 - stale < stepSeconds ? undefined : stale;
  return (
    <ShownFrom fromMs={beginning}>
      <div className="page home">
        <MachineHeader machine={machine} reachable={reachable} staleSince={stale}>
          <RangeControls />
        </MachineHeader>
        {!reachable && (
          <p className="notice notice-error notice-page" role="alert">
            {UNREACHABLE} This page tries again by itself.
          </p>
        )}
        <Tiles
          queries={queries}
          recent={recent}
          step={recentStep}
          instance={instance}
          cpus={machine?.cpus ?? 0}
          stale={stale !== undefined || !reachable}
        />
        <div className="home-body">
          <MachineCharts
            instance={scrape.frame === undefined ? undefined : instance}
            scrapeSeconds={scrapeSeconds}
            cpus={machine?.cpus ?? 0}
            staleSince={chartsStale}
          />
          <LogsPanel />
        </div>
      </div>
    </ShownFrom>
  );
}
