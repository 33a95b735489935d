/** Goes over what attributes belong to: spans, log records, data points. */
import type { Attributes, MetricsData, Resource } from "@finch/wire";
import type { MatchedItem } from "./match-items.ts";
import type { AnyBatch } from "./telemetry-batch.ts";
import { TelemetryBatch } from "./telemetry-batch.ts";
import { dataPointsOf } from "./telemetry-items.ts";

/** Calls `change` with the attributes of each item that `isMeant`; of a metric that is, with those of all its points. Answers the changed batch. */
export function changeAttributes(
  batch: AnyBatch,
  isMeant: (item: MatchedItem) => boolean,
  change: (attributes: Attributes) => void,
): AnyBatch {
  switch (batch.signal) {
    case "traces": {
      const tree = batch.takeTree();
      for (const { resource, scopeSpans } of tree.resourceSpans)
        for (const { scope, spans } of scopeSpans)
          for (const span of spans) if (isMeant({ resource, scope, span })) change(span.attributes);
      return TelemetryBatch.ofTree("traces", tree, batch.client);
    }
    case "logs": {
      const tree = batch.takeTree();
      for (const { resource, scopeLogs } of tree.resourceLogs)
        for (const { scope, logRecords } of scopeLogs)
          for (const log of logRecords)
            if (isMeant({ resource, scope, log })) change(log.attributes);
      return TelemetryBatch.ofTree("logs", tree, batch.client);
    }
    case "metrics": {
      const tree = batch.takeTree();
      changePoints(tree, isMeant, change);
      return TelemetryBatch.ofTree("metrics", tree, batch.client);
    }
  }
}

function changePoints(
  tree: MetricsData,
  isMeant: (item: MatchedItem) => boolean,
  change: (attributes: Attributes) => void,
): void {
  for (const { resource, scopeMetrics } of tree.resourceMetrics)
    for (const { scope, metrics } of scopeMetrics)
      for (const metric of metrics)
        if (isMeant({ resource, scope, metric }))
          for (const { attributes } of dataPointsOf(metric)) change(attributes);
}

/** Calls `change` with each resource. Answers the changed batch. */
export function changeResources(batch: AnyBatch, change: (resource: Resource) => void): AnyBatch {
  switch (batch.signal) {
    case "traces": {
      const tree = batch.takeTree();
      for (const { resource } of tree.resourceSpans) change(resource);
      return TelemetryBatch.ofTree("traces", tree, batch.client);
    }
    case "logs": {
      const tree = batch.takeTree();
      for (const { resource } of tree.resourceLogs) change(resource);
      return TelemetryBatch.ofTree("logs", tree, batch.client);
    }
    case "metrics": {
      const tree = batch.takeTree();
      for (const { resource } of tree.resourceMetrics) change(resource);
      return TelemetryBatch.ofTree("metrics", tree, batch.client);
    }
  }
}
