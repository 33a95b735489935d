/** What the control plane does by itself while Finch runs: takes over a `finch.json` that another program wrote, and copies the database once a day. */
import { describeError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { AuditTrail } from "./audit-trail.ts";
import { SYSTEM_ACTOR } from "./audit-trail.ts";
import type { Backups } from "./backups.ts";
import type { ControlDatabase } from "./database.ts";
import type { IdentityStore } from "./identity.ts";
import { IDENTITY_CHECK_MS } from "./limits.ts";

export interface UpkeepParts {
  readonly identity: IdentityStore;
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  readonly backups: Backups;
  readonly clock: Clock;
  readonly log: Logger;
}

const BACKUP_CHECK_MS = 3_600_000;

/** Runs until `signal` aborts; what fails is told in the log and tried again. */
export async function runUpkeep(parts: UpkeepParts, signal: AbortSignal): Promise<void> {
  const { database, backups, clock, log } = parts;
  let backupDueMs = 0;
  while (!signal.aborted) {
    await takeOverIdentity(parts);
    if (clock.monotonicMs() >= backupDueMs) {
      backupDueMs = clock.monotonicMs() + BACKUP_CHECK_MS;
      await backups.copyDaily(database).catch((error: unknown) => {
        log.error("the database is not copied", { error: describeError(error) });
      });
    }
    await clock.sleep(IDENTITY_CHECK_MS, signal).catch(() => {});
  }
}

/** Looks once whether there is another `finch.json`. A new secret stands in the audit trail: who wrote it is not known here. */
export async function takeOverIdentity(
  parts: Pick<UpkeepParts, "identity" | "audit" | "log">,
): Promise<void> {
  const { identity, audit, log } = parts;
  const before = identity.current;
  try {
    if (!(await identity.reloadChanged())) return;
  } catch (error) {
    log.error("the service goes on with the identity it had", { error: describeError(error) });
    return;
  }
  const { id, hostname, secret, formerSecrets } = identity.current;
  log.info("finch.json was written by another program and is taken over", { id, hostname });
  if (secret === before.secret) return;
  audit.record(SYSTEM_ACTOR, {
    action: "secret.change",
    target: "",
    details: { overlaps: formerSecrets.some((one) => one.secret === before.secret) },
  });
}
