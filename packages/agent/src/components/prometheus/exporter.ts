/** What exporter components have in common: targets with an in-process address, and a handler at its path while the component runs. */
import { hostname } from "node:os";
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import type { ComponentContext } from "../../component.ts";
import type { InternalHandler } from "../../internal-handler.ts";
import type { Target } from "../../receivers.ts";
import { untilAborted } from "../../until-aborted.ts";
import { INTERNAL_ADDRESS, metricsPathOf } from "./internal-address.ts";

export interface ExporterExports {
  readonly targets: readonly Target[];
}

/** An exporter with one set of arguments; disposed when they change. */
export interface OpenExporter extends AsyncDisposable {
  readonly scrape: InternalHandler;
  readonly targets: readonly Target[];
}

/** Exports the targets and answers scrapes until `signal` aborts; `open` is called again whenever the arguments change. */
export async function runExporter<Values>(
  context: ComponentContext<Values, ExporterExports>,
  open: (values: Values) => Promise<OpenExporter>,
  signal: AbortSignal,
): Promise<void> {
  const path = metricsPathOf(context.id);
  try {
    await untilAborted(signal, async () => {
      await using exporter = await openOrWait(context, open, signal);
      context.internalHandlers.set(path, exporter.scrape);
      context.setExports({ targets: exporter.targets });
      context.setHealth("healthy", "answers scrapes");
      await context.nextArguments(signal);
    });
  } finally {
    context.internalHandlers.delete(path);
  }
}

/** Tries again when an exporter cannot be opened, as when a file of its arguments is not there yet. */
const RETRY_MS = 5000;

async function openOrWait<Values>(
  context: ComponentContext<Values, ExporterExports>,
  open: (values: Values) => Promise<OpenExporter>,
  signal: AbortSignal,
): Promise<OpenExporter> {
  for (;;) {
    try {
      return await open(context.arguments());
    } catch (error) {
      signal.throwIfAborted();
      context.setHealth("unhealthy", describeError(error));
      await context.clock.sleep(RETRY_MS, signal);
    }
  }
}

/** A target of the exporter `prometheus.exporter.KIND`: the usual labels with `own` laid over them, both over `labels` of a user. */
export function exporterTarget(
  context: { readonly id: string },
  kind: string,
  labels: Readonly<Record<string, string>> = {},
  own: Readonly<Record<string, string>> = {},
): Target {
  return Labels.fromObject({
    ...labels,
    __address__: INTERNAL_ADDRESS,
    __scheme__: "http",
    __metrics_path__: metricsPathOf(context.id),
    __meta_component_id: context.id,
    __meta_component_name: `prometheus.exporter.${kind}`,
    instance: hostname(),
    job: `integrations/${kind}`,
    ...own,
  });
}
