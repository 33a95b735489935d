/** Figures of the gateway about itself. */
import { singleMetric } from "@finch/runtime";
import type { MetricFamily } from "@finch/runtime";
import type { EntranceFigures } from "./entrance.ts";
import type { RefusalReason } from "./refusal.ts";

export class GatewayStatistics {
  readonly #refused = new Map<RefusalReason, number>();
  answered = 0;

  countRefused(reason: RefusalReason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  families(entrance: EntranceFigures, certificateEndMs: number): readonly MetricFamily[] {
    return [
      singleMetric(
        "finch_gateway_requests_total",
        "counter",
        "Requests that were handed on.",
        this.answered,
      ),
      {
        name: "finch_gateway_refused_total",
        type: "counter",
        help: "Requests that were refused, by why.",
        samples: [...this.#refused].map(([reason, value]) => ({ labels: { reason }, value })),
      },
      singleMetric("finch_gateway_connections", "gauge", "Open connections.", entrance.connections),
      singleMetric(
        "finch_gateway_connections_refused_total",
        "counter",
        "Connections closed because their address had too many.",
        entrance.connectionsRefused,
      ),
      singleMetric(
        "finch_gateway_handshakes_failed_total",
        "counter",
        "TLS handshakes that failed.",
        entrance.handshakesFailed,
      ),
      singleMetric(
        "finch_gateway_certificate_end_timestamp_seconds",
        "gauge",
        "When the certificate in use ends.",
        certificateEndMs / 1000,
      ),
    ];
  }
}
