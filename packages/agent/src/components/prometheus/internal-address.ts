/**
 * Exporters that are scraped in process. Their targets carry an address that never reaches the network; the scraper recognises it and calls
 * the exporter by its path.
 */

/** The address Alloy gives its own components; kept, since relabel rules in real configurations match it. */
export const INTERNAL_ADDRESS = "alloy.internal:12345";

/** Where the metrics of a component are served: its key among the `internalHandlers`, and its path on the agent's own listener. */
export function metricsPathOf(componentId: string): string {
  return `/api/v0/component/${componentId}/metrics`;
}
