/**
 * All migrations of `finch.db`, in order. Each area keeps its own in a file of its own (`agent-migrations.ts`) and is listed here; new ones go to the end of their area.
 * A database knows them by name, so that areas grow apart from one another.
 */
import { AGENT_MIGRATIONS } from "./agent-migrations.ts";
import { AUDIT_MIGRATIONS } from "./audit-migrations.ts";
import type { Migration } from "./database.ts";
import { PEOPLE_MIGRATIONS } from "./people/people-migrations.ts";
import { FLEET_MIGRATIONS } from "./fleet/fleet-migrations.ts";

export const MIGRATIONS: readonly Migration[] = [
  ...AUDIT_MIGRATIONS,
  ...AGENT_MIGRATIONS,
  ...PEOPLE_MIGRATIONS,
  ...FLEET_MIGRATIONS,
];
