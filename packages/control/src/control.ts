/** The control plane as one thing with a lifetime: the database, the identity, and the repositories on them. Opened by `finch up` and by commands that work on a data directory. */
import { join } from "node:path";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { AgentRegistry } from "./agents.ts";
import { AuditTrail } from "./audit-trail.ts";
import { Backups } from "./backups.ts";
import { ClientAuthorities } from "./client-authorities.ts";
import { controlFamilies } from "./control-metrics.ts";
import { runUpkeep } from "./control-upkeep.ts";
import { openDatabase } from "./database.ts";
import type { ControlDatabase } from "./database.ts";
import { IdentityStore } from "./identity.ts";
import { MIGRATIONS } from "./migrations.ts";
import { adoptOriginal, checkOriginal, copyOriginalAgents } from "./original-import.ts";
import { Refusals } from "./refusals.ts";
import { Tokens } from "./tokens.ts";

export interface ControlOptions {
  /** The data directory, which exists and is locked by the caller. */
  readonly directory: string;
  /** The name by which agents and people reach the service. */
  readonly hostname: { readonly configured: string | undefined; readonly fallback: string };
  readonly clock: Clock;
  readonly log: Logger;
}

/** Disposing closes the database; what was answered is on disk before. */
export interface Control extends Disposable {
  readonly database: ControlDatabase;
  readonly identity: IdentityStore;
  readonly audit: AuditTrail;
  readonly agents: AgentRegistry;
  readonly tokens: Tokens;
  readonly clientAuthorities: ClientAuthorities;
  readonly refusals: Refusals;
  families(): readonly MetricFamily[];
  /** What is done without being asked, until `signal` aborts: see `control-upkeep.ts`. Called once, and over before this is disposed. */
  upkeep(signal: AbortSignal): Promise<void>;
}

/** Opens `finch.db` and `finch.json`, made when they are not there, migrated or taken over from the original Finch when they are. */
export async function openControl(options: ControlOptions): Promise<Control> {
  const { directory, hostname, clock, log } = options;
  const identity = await IdentityStore.open({ directory, hostname, clock, log });
  const backups = new Backups({ directory, clock, log });
  const database = openDatabase({
    path: join(directory, "finch.db"),
    migrations: MIGRATIONS,
    checkAdoption: checkOriginal,
    adopt: adoptOriginal,
    finishAdoption: copyOriginalAgents,
    beforeMigration: (before) => backups.copyBeforeMigration(before),
    clock,
    log,
  });
  const audit = new AuditTrail(database, clock);
  const refusals = new Refusals(clock, log);
  const agents = new AgentRegistry({
    database,
    audit,
    serviceId: () => identity.current.id,
    clock,
    log,
  });
  return {
    database,
    identity,
    audit,
    agents,
    tokens: new Tokens({
      identity,
      isRegistered: (resourceId) => agents.find(resourceId) !== undefined,
      clock,
    }),
    clientAuthorities: new ClientAuthorities({ directory, refusals, clock, log }),
    refusals,
    families: () => [...controlFamilies(database, backups), ...refusals.families()],
    upkeep: (signal) => runUpkeep({ identity, database, audit, backups, clock, log }, signal),
    [Symbol.dispose]: () => database[Symbol.dispose](),
  };
}
