export { AuditTrail, SYSTEM_ACTOR } from "./audit-trail.ts";
export type { Actor, AuditEntry, AuditEvent, AuditFilter } from "./audit-trail.ts";
export { openControl } from "./control.ts";
export type { Control, ControlOptions } from "./control.ts";
export type { ControlDatabase, Migration } from "./database.ts";
export { IdentityStore } from "./identity.ts";
export type { FormerSecret, ServiceIdentity } from "./identity.ts";
