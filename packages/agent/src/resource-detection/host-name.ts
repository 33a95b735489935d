/** The name of this machine, by the sources that a configuration names. */
import type { HostFacts } from "./host-facts.ts";

export const HOSTNAME_SOURCES = ["dns", "os", "cname", "lookup"] as const;
export type HostnameSource = (typeof HOSTNAME_SOURCES)[number];

const CNAME_HOPS_MAX = 8;

/** By the first source that knows one; rejects when none does. */
export async function findHostName(
  host: HostFacts,
  sources: readonly HostnameSource[],
): Promise<string> {
  for (const source of sources) {
    const name = await ask(host, source);
    if (name !== undefined && name !== "") return name;
  }
  throw new Error(`no host name by ${sources.join(", ")}`);
}

async function ask(host: HostFacts, source: HostnameSource): Promise<string | undefined> {
  try {
    switch (source) {
      case "os":
        return host.hostname();
      case "cname":
        return await followCnames(host);
      case "lookup":
        return await reverseName(host);
      case "dns":
        return await qualifiedName(host);
    }
  } catch {
    // A source that cannot be asked knows nothing: the next one is asked.
    return undefined;
  }
}

/** With a domain: from the file of hosts, then by CNAME, then by the addresses. */
async function qualifiedName(host: HostFacts): Promise<string | undefined> {
  const fromFile = nameInHosts((await host.readText("/etc/hosts")) ?? "", host.hostname());
  if (fromFile !== undefined) return fromFile;
  const alias = await followCnames(host).catch(() => undefined);
  if (alias?.includes(".") === true) return alias;
  return await reverseName(host);
}

/** The first name of the line that has `hostname`, if it has a domain. */
function nameInHosts(hosts: string, hostname: string): string | undefined {
  for (const line of hosts.split("\n")) {
    const [, ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    const [first] = names;
    if (first?.includes(".") === true && names.includes(hostname)) return first;
  }
  return undefined;
}

async function followCnames(host: HostFacts): Promise<string> {
  let name = host.hostname();
  for (let hop = 0; hop < CNAME_HOPS_MAX; hop++) {
    const next = await host.canonicalName(name);
    if (next === undefined) break;
    name = next;
  }
  await host.resolve(name);
  return name.replace(/\.+$/, "");
}

async function reverseName(host: HostFacts): Promise<string | undefined> {
  for (const address of await host.resolve(host.hostname())) {
    const [name] = await host.reverse(address).catch(() => []);
    if (name !== undefined) return name.replace(/\.+$/, "");
  }
  return undefined;
}
