/**
 * `finch rotate-secret`: writes a new secret into `finch.json` of a data directory on this machine. A running Finch takes it over within seconds; finchctl calls this on
 * the machine of the service.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { IdentityStore } from "@finch/control";
import { formatDuration, parseDuration } from "@finch/model";
import { FinchError, silentLogger, systemClock } from "@finch/runtime";

export async function rotateSecret(flags: {
  readonly dataDir: string;
  readonly overlap: string;
}): Promise<void> {
  const overlapMs = parseOverlap(flags.overlap);
  const path = join(flags.dataDir, "finch.json");
  // Opening would make one.
  await stat(path).catch((error: unknown) => {
    throw new FinchError(
      "invalid",
      "finch/no-identity",
      `there is no ${path}: name the data directory of the service with --data-dir`,
      { cause: error },
    );
  });
  const identity = await IdentityStore.open({
    directory: flags.dataDir,
    hostname: { configured: undefined, fallback: "" },
    clock: systemClock,
    log: silentLogger,
  });
  await identity.rotateSecret(overlapMs);
  const rest =
    overlapMs === 0
      ? "all tokens signed before are refused"
      : `tokens signed before are taken for ${formatDuration(overlapMs)} more`;
  process.stdout.write(
    `The secret of ${identity.current.hostname} is changed; ${rest}. Give every agent its new configuration.\n`,
  );
}

function parseOverlap(text: string): number {
  if (/^0[a-z]*$/.test(text)) return 0;
  try {
    return parseDuration(text);
  } catch (error) {
    throw new FinchError(
      "invalid",
      "finch/bad-overlap",
      `--overlap "${text}" is no duration: write it such as 12h or 30d, or 0s`,
      { cause: error },
    );
  }
}
