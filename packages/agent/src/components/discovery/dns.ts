/** `discovery.dns`: targets that the DNS names. A name that cannot be looked up now keeps the targets it had; one that does not exist has none. */
import { readFile } from "node:fs/promises";
import { Resolver } from "node:dns/promises";
import { describeError, FinchError } from "@finch/runtime";
import { Labels } from "@finch/model";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { joinHostPort } from "../../kubernetes/target-labels.ts";
import type { Target } from "../../receivers.ts";
import { oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const RECORD_TYPES = ["SRV", "A", "AAAA", "MX", "NS"] as const;
type RecordType = (typeof RECORD_TYPES)[number];

const ARGUMENTS = {
  names: required("list(string)", "Names to look up."),
  type: oneOf(RECORD_TYPES, "SRV", "Type of the records."),
  port: optional("number", 0, "Port of the targets; SRV records bring their own.", {
    min: 0,
    max: 65_535,
  }),
  refresh_interval: optional("duration", 30_000, "How often to look up.", { min: 1 }),
};

interface Exports {
  readonly targets: readonly Target[];
}

type Context = ComponentContext<ValuesOf<typeof ARGUMENTS>, Exports>;

const TIMEOUT_MS = 5000;
const TRIES = 2;

export const discoveryDns = defineComponent<typeof ARGUMENTS, Exports>({
  name: "discovery.dns",
  stability: "generally-available",
  summary: "Finds targets by looking up DNS names.",
  arguments: ARGUMENTS,
  exports: { targets: "One target a record, with `__meta_dns_…` labels." },
  check({ names, type, port }) {
    if (names.length === 0) return { at: "names", message: "name at least one DNS name" };
    if (type !== "SRV" && port === 0)
      return {
        at: "port",
        message: "a port is required in DNS-SD configs for all record types except SRV",
      };
    return undefined;
  },
  run: (context, signal) =>
    runSessions(context, signal, async (values, session) => {
      const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES });
      session.addEventListener("abort", () => resolver.cancel(), { once: true });
      const known = new Map<string, readonly Target[]>();
      while (!session.aborted) {
        await refresh(context, known, { resolver, search: await readSearchList() });
        await context.clock.sleep(values.refresh_interval, session);
      }
    }),
});

/** How names are looked up. */
export interface DnsLookup {
  readonly resolver: Resolver;
  readonly search: SearchList;
}

async function refresh(
  context: Context,
  known: Map<string, readonly Target[]>,
  lookup: DnsLookup,
): Promise<void> {
  const { names, type, port } = context.arguments();
  const lookups = context.metrics.counter(
    "prometheus_sd_dns_lookups_total",
    "The number of DNS-SD lookups.",
  );
  const failures = context.metrics.counter(
    "prometheus_sd_dns_lookup_failures_total",
    "The number of DNS-SD lookup failures.",
  );
  const faults = await Promise.all(
    names.map(async (name) => {
      lookups.add(1);
      try {
        known.set(name, await lookUpTargets(name, { type, port }, lookup));
        return undefined;
      } catch (error) {
        failures.add(1);
        return describeError(error);
      }
    }),
  );
  const targets = names.flatMap((name) => known.get(name) ?? []);
  const fault = faults.find((text) => text !== undefined);
  // Where nothing was ever found out, those who use the targets had better wait.
  if (known.size > 0 || fault === undefined) context.setExports({ targets });
  if (fault === undefined) context.setHealth("healthy", `${targets.length} targets`);
  else context.setHealth("unhealthy", fault);
}

/** The targets of one name; none when the name does not exist. Throws `agent/dns` when the servers cannot tell. */
export async function lookUpTargets(
  name: string,
  { type, port }: { readonly type: RecordType; readonly port: number },
  { resolver, search }: DnsLookup,
): Promise<Target[]> {
  for (const candidate of candidates(name, search)) {
    try {
      const records = await queryRecords(resolver, candidate, type, port);
      if (records.length > 0) return records.map((record) => toTarget(name, record));
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOTFOUND" || code === "ENODATA") continue;
      throw new FinchError("unavailable", "agent/dns", `cannot look up ${type} of ${candidate}`, {
        cause,
      });
    }
  }
  return [];
}

interface FoundRecord {
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Names keep their final dot in labels and lose it in addresses, as in Prometheus. */
async function queryRecords(
  resolver: Resolver,
  name: string,
  type: RecordType,
  port: number,
): Promise<FoundRecord[]> {
  const plain = (address: string, labels = {}) => ({
    address: joinHostPort(address, port),
    labels,
  });
  switch (type) {
    case "A":
      return (await resolver.resolve4(name)).map((ip) => plain(ip));
    case "AAAA":
      return (await resolver.resolve6(name)).map((ip) => plain(ip));
    case "MX":
      return (await resolver.resolveMx(name)).map(({ exchange }) =>
        plain(exchange, { __meta_dns_mx_record_target: `${exchange}.` }),
      );
    case "NS":
      return (await resolver.resolveNs(name)).map((host) =>
        plain(host, { __meta_dns_ns_record_target: `${host}.` }),
      );
    case "SRV":
      return (await resolver.resolveSrv(name)).map((record) => ({
        address: joinHostPort(record.name, record.port),
        labels: {
          __meta_dns_srv_record_target: `${record.name}.`,
          __meta_dns_srv_record_port: String(record.port),
        },
      }));
  }
}

function toTarget(name: string, { address, labels }: FoundRecord): Target {
  return Labels.fromObject({ __address__: address, __meta_dns_name: name, ...labels });
}

/** `search` and `ndots` of resolv.conf(5). */
export interface SearchList {
  readonly domains: readonly string[];
  readonly dots: number;
}

async function readSearchList(): Promise<SearchList> {
  try {
    return parseSearchList(await readFile("/etc/resolv.conf", "utf8"));
  } catch {
    return { domains: [], dots: 1 };
  }
}

export function parseSearchList(text: string): SearchList {
  let domains: readonly string[] = [];
  let dots = 1;
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, "")
      .trim()
      .split(/\s+/);
    if (keyword === "search" || keyword === "domain") domains = words;
    const option = words.map((word) => /^ndots:(\d+)$/.exec(word)?.[1]).find(Boolean);
    if (keyword === "options" && option !== undefined) dots = Number(option);
  }
  return { domains, dots };
}

/** The names to try, in the order in which a resolver tries them. */
function candidates(name: string, { domains, dots }: SearchList): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const longer = domains.map((domain) => `${name}.${domain.replace(/\.$/, "")}`);
  return name.split(".").length - 1 >= dots ? [name, ...longer] : [...longer, name];
}
