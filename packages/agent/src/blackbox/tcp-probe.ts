/** Probers `tcp` and `unix`: connect, with TLS when told to, then say and expect lines. */
import type { Socket } from "node:net";
import { describeError } from "@finch/runtime";
import { expandTemplate, parseTemplate } from "../relabel-template.ts";
import { openSocket, resolveAddress, secureSocket, splitHostPort } from "./connect.ts";
import type { QueryResponse, TcpModule } from "./module.ts";
import type { Probe } from "./probe.ts";
import { SocketReader } from "./socket-reader.ts";
import { inspectTls, reportTls } from "./tls-report.ts";

const FAILED_REGEX = {
  name: "probe_failed_due_to_regex",
  help: "Indicates if probe failed due to regex",
};
const FAILED_BYTES = {
  name: "probe_failed_due_to_bytes",
  help: "Indicates if probe failed due to bytes",
};
const EXPECT_INFO = { name: "probe_expect_info", help: "Explicit content matched" };

export async function probeTcp(probe: Probe, target: string, module: TcpModule): Promise<boolean> {
  probe.set(FAILED_REGEX, 0);
  probe.set(FAILED_BYTES, 0);
  const split = splitHostPort(target);
  if (split === undefined) return probe.fail(`${target} has no port`);
  const { address } = await resolveAddress(probe, split.host, module.ip);
  if (address === undefined) return false;
  const localAddress = module.sourceAddress;
  return await converse(probe, { host: split.host, module }, () =>
    openSocket(
      { host: address, port: split.port, ...(localAddress === undefined ? {} : { localAddress }) },
      probe.signal,
    ),
  );
}

/** `target` is the path of a Unix socket. */
export async function probeUnix(probe: Probe, target: string, module: TcpModule): Promise<boolean> {
  probe.set(FAILED_REGEX, 0);
  probe.set(FAILED_BYTES, 0);
  return await converse(probe, { host: "localhost", module }, () =>
    openSocket({ path: target }, probe.signal),
  );
}

interface Conversation {
  readonly host: string;
  readonly module: TcpModule;
}

async function converse(
  probe: Probe,
  { host, module }: Conversation,
  open: () => Promise<Socket>,
): Promise<boolean> {
  let socket: Socket | undefined;
  try {
    socket = await open();
    probe.note("connected");
    const secure = async () => {
      const upgraded = await secureSocket(probe, socket!, { host, tls: module.tls });
      reportTls(probe, inspectTls(upgraded));
      socket = upgraded;
      return upgraded;
    };
    if (module.isSecure) await secure();
    let reader = new SocketReader(socket, probe.signal);
    for (const step of module.queryResponse) {
      if (!(await takeStep(probe, { step, socket, reader }))) return false;
      if (!step.startTls) continue;
      reader.release();
      reader = new SocketReader(await secure(), probe.signal);
    }
    return true;
  } catch (error) {
    return probe.fail(describeError(error));
  } finally {
    socket?.destroy();
  }
}

async function takeStep(
  probe: Probe,
  { step, socket, reader }: { step: QueryResponse; socket: Socket; reader: SocketReader },
): Promise<boolean> {
  let send = step.send;
  if (step.expect !== undefined) {
    const expand = await expectLine(probe, step, reader);
    if (expand === undefined) return false;
    send = expand(send);
  }
  if (step.expectBytes !== "") {
    const wanted = Buffer.from(step.expectBytes);
    const bytes = await reader.readBytes(wanted.length);
    if (bytes === undefined)
      return probe.fail(`the connection ended before ${wanted.length} bytes`);
    probe.set(FAILED_BYTES, bytes.equals(wanted) ? 0 : 1);
    if (!bytes.equals(wanted))
      return probe.fail(`read ${JSON.stringify(bytes.toString("latin1"))} in place of the bytes`);
  }
  if (send !== "") {
    probe.note(`sending ${JSON.stringify(send)}`);
    socket.write(`${send}\n`);
  }
  return true;
}

/** Reads lines until one matches; answers how templates are filled with its groups. */
async function expectLine(
  probe: Probe,
  step: QueryResponse,
  reader: SocketReader,
): Promise<((template: string) => string) | undefined> {
  const expect = step.expect!;
  let last = "";
  for (;;) {
    const line = await reader.readLine();
    if (line === undefined) break;
    last = line;
    const groups = expect.exec(line);
    if (groups === undefined) continue;
    probe.note(`line ${JSON.stringify(line)} matches`);
    probe.set(FAILED_REGEX, 0);
    const expand = (template: string) =>
      expandTemplate(parseTemplate(template), groups, expect.groupNames);
    const labels = step.labels
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .flatMap(({ name, value }) => [name, expand(value)]);
    if (labels.length > 0) probe.set(EXPECT_INFO, 1, ...labels);
    return expand;
  }
  probe.set(FAILED_REGEX, 1);
  probe.fail(`no line matches; the last one was ${JSON.stringify(last)}`);
  return undefined;
}
