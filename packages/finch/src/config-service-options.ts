/** Options of the service as others see it: its name, its certificate, and the proxies that stand before it. */
import { BlockList, isIP } from "node:net";
import type { ConfigOption } from "./config-options.ts";
import { badValue, oneOf } from "./config-values.ts";

/** What `assembleServiceOptions` makes of the values. */
export interface ServiceOptions {
  /** How agents and people reach it; undefined leaves it to the machine's name. */
  readonly host: ServiceHost | undefined;
  /** Whether agents can know the certificate that they are shown. */
  readonly certificate: "auto" | "known" | "self-signed";
  /** Whether a peer at this address is a proxy whose headers are to be believed. */
  readonly isTrustedProxy: (address: string) => boolean;
}

export interface ServiceHost {
  readonly name: string;
  /** Undefined is the port of HTTPS. */
  readonly port: number | undefined;
}

interface Network {
  readonly address: string;
  readonly bits: number;
}

const CERTIFICATES = ["auto", "known", "self-signed"] as const;

export const SERVICE_OPTIONS: readonly ConfigOption[] = [
  {
    key: "service.host",
    placeholder: "HOST[:PORT]",
    doc: 'name by which agents and people reach this service from elsewhere, such as finch.example.com; "auto" takes the name in finch.json, at first that of this machine',
    default: "auto",
    parse: parseHost,
  },
  {
    key: "service.certificate",
    placeholder: "KIND",
    doc: `what agents are told of the certificate they are shown: ${CERTIFICATES.join(", ")}; with "self-signed" their configuration does not verify it, "auto" looks at the gateway's own`,
    default: "auto",
    parse: (text) => oneOf(text, CERTIFICATES),
  },
  {
    key: "service.trusted_proxies",
    placeholder: "NETWORKS",
    doc: "addresses or networks of proxies in front, such as 127.0.0.1 or 10.0.0.0/8, whose X-Forwarded-For and X-Forwarded-Tls-Client-Cert are believed; a list in the file, with semicolons between them elsewhere",
    default: "none",
    parse: parseNetwork,
    isList: true,
  },
];

export function assembleServiceOptions(value: (key: string) => unknown): ServiceOptions {
  const networks = value("service.trusted_proxies") as readonly { readonly value: Network }[];
  return {
    host: value("service.host") as ServiceHost | undefined,
    certificate: value("service.certificate") as ServiceOptions["certificate"],
    isTrustedProxy: trustNetworks(networks.map((one) => one.value)),
  };
}

function parseHost(text: string): ServiceHost | undefined {
  if (text === "auto") return undefined;
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]{0,252}))(?::(\d{1,5}))?$/.exec(
    text,
  );
  const port = match?.[3] === undefined ? undefined : Number(match[3]);
  if (match === null || (port !== undefined && (port < 1 || port > 65_535)))
    throw badValue(
      `"${text}" is no host: give a name such as finch.example.com, with :PORT when it is not 443`,
    );
  return { name: match[1]!, port };
}

function parseNetwork(text: string): Network {
  const [address = "", prefix, ...rest] = text.split("/");
  const bitsMax = isIP(address) === 6 ? 128 : 32;
  const bits = prefix === undefined ? bitsMax : Number(prefix);
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && bits <= bitsMax);
  if (isIP(address) === 0 || !isPrefix || rest.length > 0)
    throw badValue(
      `"${text}" is no network: give an address such as 127.0.0.1, or a network such as 10.0.0.0/8`,
    );
  return { address, bits };
}

function trustNetworks(networks: readonly Network[]): (address: string) => boolean {
  const list = new BlockList();
  for (const { address, bits } of networks)
    list.addSubnet(address, bits, isIP(address) === 6 ? "ipv6" : "ipv4");
  return (address) => {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
    const family = isIP(plain);
    return family !== 0 && list.check(plain, family === 6 ? "ipv6" : "ipv4");
  };
}
