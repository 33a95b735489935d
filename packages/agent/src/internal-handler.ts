/** In-process addresses: how exporters are scraped without a socket. A handler is kept by its path, as on the agent's own listener. */

/** One scrape of an in-process address. */
export interface InternalRequest {
  /** Parameters of the target, `__param_NAME` labels included. */
  readonly query: URLSearchParams;
  /** How long whoever asks waits for the answer. */
  readonly timeoutMs: number;
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** Answers with Prometheus text format 0.0.4. Rejecting makes the scrape fail with the message. */
export type InternalHandler = (request: InternalRequest) => Promise<string>;

/** The path of the agent's own metrics, which `prometheus.exporter.self` serves. */
export const AGENT_METRICS_PATH = "/metrics";
