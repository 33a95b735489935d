export { ALLOY_COMPONENTS } from "./alloy-names.ts";
export type { Health, Stability } from "./component.ts";
export { COMPONENTS } from "./components/index.ts";
export { draftExample } from "./draft-example.ts";
export { graphConfig } from "./graph-view/config-graph.ts";
export type { FlowGraph } from "./graph-view/flow-graph.ts";
export { graphSvg } from "./graph-view/graph-svg.ts";
export { graphDot, graphMermaid } from "./graph-view/graph-text.ts";
export { createAgentRoutes } from "./http.ts";
export {
  detectJournal,
  detectTimeZone,
  generateMachineConfig,
  MACHINE_LOG_FILES,
} from "./machine-config.ts";
export type { MachineConfigOptions } from "./machine-config.ts";
export { componentIndexPage, componentPage } from "./reference-page.ts";
export { compileRules, createRelabeler, relabel } from "./relabel.ts";
export type { NameScheme, RelabelConfig, RelabelRule } from "./relabel.ts";
export type { ScrapedTarget, ScrapePool } from "./scrape-pool.ts";
export { startAgent } from "./runtime/agent.ts";
export type { Agent, AgentOptions } from "./runtime/agent.ts";
export type { ComponentInfo, ShownStatement, ShownValue } from "./runtime/component-info.ts";
export { watchConfig } from "./runtime/config-watch.ts";
export { ConfigError } from "./runtime/config-error.ts";
export type { ConfigSource } from "./runtime/config-source.ts";
export { machineEnvironment } from "./runtime/environment.ts";
export { formatAgentLine } from "./runtime/log-lines.ts";
export type { AgentLogSink, LoggingSettings } from "./runtime/logging.ts";
export {
  formatConfig,
  validateConfig,
  validateConfigAt,
  validateFiles,
  validateRemoteConfig,
} from "./runtime/validate.ts";
