/** Addresses and connections of probes, with what they tell: the family of the address, its hash, and certificates. */
import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP, type NetConnectOpts, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { describeError } from "@finch/runtime";
import { loadTls, type TlsOptions } from "../http-tls.ts";
import { unlessAborted } from "../until-aborted.ts";
import type { IpChoice } from "./module.ts";
import type { Probe } from "./probe.ts";

const LOOKUP_TIME = {
  name: "probe_dns_lookup_time_seconds",
  help: "Returns the time taken for probe dns lookup in seconds",
};
const IP_PROTOCOL = {
  name: "probe_ip_protocol",
  help: "Specifies whether probe ip protocol is IP4 or IP6",
};
const IP_HASH = {
  name: "probe_ip_addr_hash",
  help: "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
};

export interface ResolvedAddress {
  readonly address: string;
  /** Seconds the look-up took. */
  readonly seconds: number;
}

/** Resolves `host` to one address of the wanted kind; undefined when there is none, which the probe has noted. */
export async function resolveAddress(
  probe: Probe,
  host: string,
  choice: IpChoice,
): Promise<ResolvedAddress | { readonly address: undefined; readonly seconds: number }> {
  probe.set(IP_PROTOCOL, 0);
  probe.set(IP_HASH, 0);
  const startMs = probe.monotonicMs();
  const address = await chooseAddress(probe, host.replace(/^\[(.*)\]$/, "$1"), choice);
  const seconds = (probe.monotonicMs() - startMs) / 1000;
  probe.add(LOOKUP_TIME, seconds);
  if (address === undefined) return { address, seconds };
  probe.note(`resolved ${host} to ${address}`);
  probe.set(IP_PROTOCOL, isIP(address));
  probe.set(IP_HASH, hashAddress(address));
  return { address, seconds };
}

async function chooseAddress(
  probe: Probe,
  host: string,
  { preferred, fallback }: IpChoice,
): Promise<string | undefined> {
  const family = preferred === "ip4" ? 4 : 6;
  try {
    const found = await addressesOf(host, probe.signal);
    const wanted = found.find((one) => one.family === family);
    if (wanted !== undefined) return wanted.address;
    if (fallback && found.length > 0) return found.at(-1)!.address;
    probe.fail(`${host} has no address of the kind ${preferred}`);
  } catch (error) {
    probe.fail(`cannot resolve ${host}: ${describeError(error)}`);
  }
  return undefined;
}

/** All addresses of a host, a literal address being its own. */
export async function addressesOf(
  host: string,
  signal: AbortSignal,
): Promise<readonly { readonly address: string; readonly family: number }[]> {
  const literal = isIP(host);
  if (literal !== 0) return [{ address: host, family: literal }];
  return await unlessAborted(lookup(host, { all: true, order: "verbatim" }), signal);
}

/** FNV-1a of 32 bits over the four or sixteen bytes of an address. */
export function hashAddress(address: string): number {
  let hash = 0x811c9dc5;
  for (const byte of isIP(address) === 4 ? address.split(".").map(Number) : bytesOfIp6(address))
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

function bytesOfIp6(address: string): readonly number[] {
  const plain = address
    .replace(/%.*$/, "")
    .replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts) => {
      const [a, b, c, d] = parts.slice(0, 4).map(Number) as [number, number, number, number];
      return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
    });
  const [head = "", tail] = plain.split("::");
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 255]);
}

/** Splits `host:port`, IPv6 in brackets; undefined when there is no port. */
export function splitHostPort(
  target: string,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(target);
  if (match === null) return undefined;
  return { host: match[1] ?? match[2] ?? "", port: Number(match[3]) };
}

/** Rejects when the connection cannot be made, and with the signal's reason. */
export function openSocket(options: NetConnectOpts, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connectTcp(options);
    const onAbort = () => socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", onAbort));
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      // Whoever uses the socket listens too; without a listener an error would end the process.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

export interface SecureOptions {
  /** Name the certificate must carry, unless the options name another. */
  readonly host: string;
  readonly tls: TlsOptions | undefined;
  readonly protocols?: readonly string[];
}

/** Begins TLS on a socket and tells of it in the probe's gauges. Rejects when the handshake fails. */
export async function secureSocket(
  probe: Probe,
  socket: Socket,
  options: SecureOptions,
): Promise<TLSSocket> {
  const { connect } = process.getBuiltinModule("node:tls");
  const loaded = await loadTls(options.tls);
  const name = options.tls?.serverName ?? options.host;
  return await new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      ...loaded,
      host: name,
      ...(isIP(name) === 0 ? { servername: name } : { servername: "" }),
      ...(options.protocols === undefined ? {} : { ALPNProtocols: [...options.protocols] }),
    });
    const onAbort = () => secure.destroy(probe.signal.reason as Error);
    probe.signal.addEventListener("abort", onAbort, { once: true });
    secure.once("close", () => probe.signal.removeEventListener("abort", onAbort));
    secure.once("error", reject);
    secure.once("secureConnect", () => {
      secure.off("error", reject);
      secure.on("error", () => {});
      resolve(secure);
    });
  });
}
