/** `otelcol.exporter.otlp`: sends OTLP over gRPC, through a queue on disk. */
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { grpcClientFault, grpcUrl, GRPC_CLIENT, openGrpcTransport } from "../../otel/otlp-grpc.ts";
import { runExporter } from "../../otel/run-exporter.ts";
import type { ExporterExports } from "../../otel/run-exporter.ts";
import { senderFault, SENDER_BLOCKS } from "../../otel/sender-schema.ts";
import { block, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  timeout: optional("duration", 5000, "Time for a request.", { min: 1 }),
  client: block(
    {
      endpoint: required("string", "HOST:PORT, or a URL: http:// is without TLS."),
      ...GRPC_CLIENT,
    },
    { repeat: "one", doc: "Where it is sent.", isRequired: true },
  ),
  ...SENDER_BLOCKS,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

export const exporterOtlp = defineComponent({
  name: "otelcol.exporter.otlp",
  stability: "generally-available",
  summary: "Sends traces, metrics and logs by OTLP over gRPC, with a queue on disk.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: (context: ComponentContext<Arguments, ExporterExports>, signal) =>
    runExporter(
      context,
      ({ client, timeout }) => openGrpcTransport(client.endpoint, client, timeout),
      signal,
    ),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const { client } = values;
  if (grpcUrl(client.endpoint, client) === undefined)
    return {
      at: "client.endpoint",
      message: `${JSON.stringify(client.endpoint)} is no address: write HOST:PORT, such as localhost:4317`,
    };
  const fault = grpcClientFault(client);
  if (fault !== undefined) return { ...fault, at: `client.${fault.at}` };
  return senderFault(values) ?? debugMetricsFault(values);
}
