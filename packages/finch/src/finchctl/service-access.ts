/** How this user comes to be let in by a service: its authority's certificate is put into the service's folder over SSH, its own into the file of services. */
import { FinchError } from "@finch/runtime";
import {
  clientIdOf,
  makeClientCredentials,
  makeClientId,
  validMsOf,
} from "./client-certificate.ts";
import type { ClientCredentials } from "./client-certificate.ts";
import { METHODS, openControlClient } from "./control-client.ts";
import { readHostFile, writeHostFile } from "./host-files.ts";
import type { Host } from "./host.ts";
import { formatServiceName } from "./host-address.ts";
import type { ServiceAddress } from "./host-address.ts";
import { SERVICE } from "./layout.ts";
import type { Session } from "./session.ts";
import type { Stack } from "./stack-file.ts";
import type { Step } from "./steps.ts";

export interface AccessOptions {
  readonly session: Session;
  readonly host: Host;
  readonly address: ServiceAddress;
  readonly dataDirectory: string;
}

/** A certificate that ends sooner is replaced when there is an occasion. */
const RENEW_BEFORE_MS = 14 * 24 * 3_600_000;

export function authorityPath(dataDirectory: string, clientId: string): string {
  return `${dataDirectory}/certs.d/${clientId}.pem`;
}

/** Makes this user's certificate and tells the service of it, unless it has one that is good for a while. `made` is filled in by the run. */
export function grantStep(
  options: AccessOptions,
  made: { credentials: ClientCredentials | undefined },
): Step {
  const { session, host, address, dataDirectory } = options;
  const name = formatServiceName(address);
  let path = "";
  let before: string | undefined;
  return {
    title: `Let this user in to ${name}`,
    isDone: async () => {
      if (!(await session.stacks.has(name))) return false;
      const { certificate } = await session.stacks.get(name);
      if (validMsOf(certificate, session.clock.nowMs()) < RENEW_BEFORE_MS) return false;
      const present = await readHostFile(
        host,
        authorityPath(dataDirectory, clientIdOf(certificate)),
      );
      return present !== undefined;
    },
    run: async () => {
      const clientId = await makeClientId();
      const nowMs = session.clock.nowMs();
      const credentials = await makeClientCredentials({ clientId, service: address.host, nowMs });
      path = authorityPath(dataDirectory, clientId);
      before = await readHostFile(host, path);
      await writeHostFile(host, { path, content: credentials.authorityCertificate, mode: "600" });
      made.credentials = credentials;
    },
    undo: async () => {
      made.credentials = undefined;
      if (path === "") return;
      if (before === undefined) await host.run('rm -f "$1"', { args: [path] });
      else await writeHostFile(host, { path, content: before, mode: "600" });
    },
  };
}

/** Keeps the certificate, and the gateway's when nobody else vouches for it. */
export function keepStep(
  options: AccessOptions,
  made: { readonly credentials: ClientCredentials | undefined },
): Step {
  const { session, host, address } = options;
  const name = formatServiceName(address);
  return {
    title: `Keep the certificates in ${session.stacks.path}`,
    isDone: async () => {
      if (made.credentials !== undefined || !(await session.stacks.has(name))) return false;
      const gatewayCertificate = await readGatewayCertificate(host, address);
      return (await session.stacks.get(name)).gatewayCertificate === gatewayCertificate;
    },
    run: async () => {
      const gatewayCertificate = await readGatewayCertificate(host, address);
      const { certificate, key } = made.credentials ?? (await session.stacks.get(name));
      await session.stacks.put({
        name,
        certificate,
        key,
        ...(gatewayCertificate !== undefined && { gatewayCertificate }),
      });
    },
  };
}

/**
 * Gives the service a second authority beside the present one, moves over to it, and takes the first away once the second is seen to work: at no time is this user
 * refused. Agents are not touched.
 */
export function rotationSteps(options: AccessOptions): readonly Step[] {
  const { session, host, address, dataDirectory } = options;
  const name = formatServiceName(address);
  let path = "";
  let before: string | undefined;
  let old: Stack | undefined;
  let made: ClientCredentials | undefined;
  return [
    {
      title: "Add the new authority beside the present one",
      run: async () => {
        old = await session.stacks.get(name);
        const clientId = clientIdOf(old.certificate) || (await makeClientId());
        const nowMs = session.clock.nowMs();
        made = await makeClientCredentials({ clientId, service: address.host, nowMs });
        path = authorityPath(dataDirectory, clientId);
        before = await readHostFile(host, path);
        const content = `${made.authorityCertificate}${before ?? ""}`;
        await writeHostFile(host, { path, content, mode: "600" });
      },
      undo: async () => {
        if (path === "") return;
        if (before === undefined) await host.run('rm -f "$1"', { args: [path] });
        else await writeHostFile(host, { path, content: before, mode: "600" });
      },
    },
    {
      title: `Ask ${name} with the new certificate`,
      run: async () => {
        const gatewayCertificate = await readGatewayCertificate(host, address);
        const stack: Stack = {
          name,
          certificate: made!.certificate,
          key: made!.key,
          ...(gatewayCertificate !== undefined && { gatewayCertificate }),
        };
        await askService(session, stack);
        await session.stacks.put(stack);
      },
      undo: async () => {
        if (old !== undefined) await session.stacks.put(old);
      },
    },
    {
      title: "Take the former authority away",
      run: () => writeHostFile(host, { path, content: made!.authorityCertificate, mode: "600" }),
    },
  ];
}

/** One call, to see that the service is reached and lets this user in. */
export async function askService(session: Session, stack: Stack): Promise<void> {
  using client = openControlClient(stack, session);
  await client.call(METHODS.getServiceInfo, {});
}

/** Prints what the gateway shows: first whether Node's authorities vouch for it, then the last certificate of its chain. */
const CHAIN_SCRIPT = `
import { connect } from "node:tls";
const [host, port] = process.argv.slice(1);
const isName = !/^[0-9.]+$|:/.test(host);
const socket = connect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false, ...(isName && { servername: host }) });
socket.setTimeout(10000, () => socket.destroy(new Error("no answer within 10 s")));
socket.on("error", (error) => { console.error(error.message); process.exitCode = 1; });
socket.on("secureConnect", () => {
  let top = socket.getPeerX509Certificate();
  while (top.issuerCertificate && top.issuerCertificate.fingerprint256 !== top.fingerprint256) top = top.issuerCertificate;
  console.log(socket.authorized ? "known" : "unknown");
  console.log(top.toString());
  socket.end();
});
`;

/** The certificate to hold the gateway to, told by the host itself; undefined where the usual authorities vouch for it. */
export async function readGatewayCertificate(
  host: Host,
  { host: name, port }: ServiceAddress,
): Promise<string | undefined> {
  const end = await host.attempt(
    `exec "$1/node_modules/.bin/node" --input-type=module -e "$2" "$3" "$4"`,
    { args: [SERVICE.link, CHAIN_SCRIPT, name, String(port)] },
  );
  if (end.code !== 0) {
    throw new FinchError(
      "unavailable",
      "finch/no-gateway",
      `${host.name}: nothing speaks TLS at port ${port}: ${end.stderr.trim()}; "finchctl service doctor" looks, and "finch up" needs public: on`,
    );
  }
  const [known, ...pem] = end.stdout.split("\n");
  return known === "known" ? undefined : `${pem.join("\n").trim()}\n`;
}
