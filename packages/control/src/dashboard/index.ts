export { Dashboard } from "./dashboard.ts";
export type { DashboardOptions } from "./dashboard.ts";
export type { DashboardAgent } from "./dashboard-agents.ts";
