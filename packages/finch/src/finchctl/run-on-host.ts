/** One run of a command on a host: connects, tells what is done, and ends the connection whatever happens. */
import type { RunFlags } from "./flags.ts";
import { parseHostAddress } from "./host-address.ts";
import type { HostAddress } from "./host-address.ts";
import { openHost } from "./host.ts";
import type { Host } from "./host.ts";
import { createRunReport, readRunFormat } from "./run-report.ts";
import type { RunReport } from "./run-report.ts";
import { openSession } from "./session.ts";
import type { Session } from "./session.ts";

export type HostRunFlags = RunFlags;

export interface HostRun {
  readonly session: Session;
  readonly address: HostAddress;
  readonly host: Host;
  readonly report: RunReport;
  readonly dryRun: boolean;
}

export async function runOnHost(
  target: string,
  flags: HostRunFlags,
  action: (run: HostRun) => Promise<void>,
): Promise<void> {
  const format = readRunFormat(flags["run.format"]);
  const address = parseHostAddress(target);
  const session = await openSession(flags);
  const report = createRunReport({ format, clock: session.clock, output: process.stdout });
  await using host = await openHost({ ...session, address });
  try {
    await action({ session, address, host, report, dryRun: flags["run.dryRun"] === true });
  } finally {
    report.end();
  }
}
