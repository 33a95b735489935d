/**
 * Exporters that are scraped in process. Their targets carry an address that never reaches the network; the scraper recognises it and calls
 * the exporter by address and path.
 */

/** The address Alloy gives its own components; kept, since relabel rules in real configurations match it. */
export const INTERNAL_ADDRESS = "alloy.internal:12345";

/** Where the metrics of a component are served, in process and on the agent's own listener. */
export function metricsPathOf(componentId: string): string {
  return `/api/v0/component/${componentId}/metrics`;
}

/** The key of an exporter among the `internalHandlers` of the component context. */
export function handlerKey(address: string, path: string): string {
  return address + path;
}
