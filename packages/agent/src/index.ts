export { compileRules, relabel } from "./relabel.ts";
export type { NameScheme, RelabelConfig, RelabelRule } from "./relabel.ts";
