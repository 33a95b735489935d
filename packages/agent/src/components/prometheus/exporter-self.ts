/** `prometheus.exporter.self`: the agent's own metrics, as its `/metrics` shows them. */
import { FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import { AGENT_METRICS_PATH } from "../../internal-handler.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const ARGUMENTS = {};

export const exporterSelf = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.self",
  stability: "generally-available",
  summary: "Exposes the agent's own metrics.",
  arguments: ARGUMENTS,
  exports: { targets: "Target to scrape the agent's metrics from." },
  run: (context, signal) => {
    const exporter: OpenExporter = {
      targets: [exporterTarget(context, "self")],
      scrape: async (request) => {
        const agent = context.internalHandlers.get(AGENT_METRICS_PATH);
        if (agent !== undefined) return await agent(request);
        throw new FinchError(
          "not-found",
          "agent/exporter-missing",
          `nothing serves ${AGENT_METRICS_PATH}`,
        );
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return runExporter(context, () => Promise.resolve(exporter), signal);
  },
});
