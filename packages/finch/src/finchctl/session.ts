/** What every action works with: the file of services, how to reach them, and the clock. */
import type { Clock } from "@finch/runtime";
import { systemClock } from "@finch/runtime";
import { openControlClient } from "./control-client.ts";
import type { GlobalFlags } from "./flags.ts";
import { readSeconds } from "./flags.ts";
import type { GrpcClient } from "./grpc-client.ts";
import { formatServiceName, parseServiceAddress } from "./host-address.ts";
import { StackFile, stackFilePath } from "./stack-file.ts";

export interface Session {
  readonly stacks: StackFile;
  readonly clock: Clock;
  readonly skipVerify: boolean;
  readonly commandTimeoutMs: number;
  readonly sshConfig: string | undefined;
}

/** From the flags and the environment. */
export async function openSession(flags: GlobalFlags): Promise<Session> {
  const skip = (process.env["FINCH_SKIP_TLS_VERIFY"] ?? "").toLowerCase();
  return {
    stacks: new StackFile(await stackFilePath(process.env)),
    clock: systemClock,
    skipVerify: flags["tls.skipVerify"] === true || skip === "1" || skip === "true",
    commandTimeoutMs: readSeconds("--run.cmd-timeout", flags["run.cmdTimeout"]) * 1000,
    sshConfig: flags["ssh.config"] ?? process.env["FINCH_SSH_CONFIG"],
  };
}

/** A client of a service that this user administrates. */
export async function connectService(session: Session, service: string): Promise<GrpcClient> {
  const name = formatServiceName(parseServiceAddress(service));
  return openControlClient(await session.stacks.get(name), session);
}
