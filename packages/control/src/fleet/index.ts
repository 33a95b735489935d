export { AgentContacts } from "./agent-contacts.ts";
export { Fleet } from "./fleet.ts";
export type { FleetOptions } from "./fleet.ts";
export type { CollectorView } from "./collector-view.ts";
export type { AuthenticateAgent } from "./collector-routes.ts";
export type { ConfigurationDiagnostic, ValidateConfiguration } from "./configuration-store.ts";
export type { CollectorFigures, ReadFigures } from "./fleet-figures.ts";
export { fleetRoutes } from "./fleet-routes.ts";
export type { FleetRoutesOptions } from "./fleet-routes.ts";
