export { ACCESS_LOG_MODES } from "./access-log.ts";
export type { AccessLogMode } from "./access-log.ts";
export type { AgentIdentity, Authority, ClientIdentity, PersonIdentity } from "./authority.ts";
export { TrustedProxies } from "./client-address.ts";
export { openGateway } from "./gateway.ts";
export type { Gateway, GatewayAddress, GatewayOptions } from "./gateway.ts";
export { DEFAULT_GATEWAY_LIMITS } from "./limits.ts";
export type { GatewayLimits } from "./limits.ts";
export type { GatewayRoute, RouteAccess } from "./route.ts";
