/** Options of the gateway: where it listens, whose certificate it shows, and how much of one client it takes. */
import { parseListenAddress } from "./config-address.ts";
import type { ListenAddress } from "./config-address.ts";
import type { ConfigOption } from "./config-options.ts";
import {
  badValue,
  oneOf,
  parseCount,
  parseNames,
  parseSize,
  parseSwitch,
} from "./config-values.ts";

/** What `assembleGatewayOptions` makes of the values. */
export interface GatewayConfig {
  /** `public`: at all addresses, at the port of the web or one that needs no right; undefined: there is no gateway. */
  readonly tls: ListenAddress | "public" | undefined;
  readonly http: ListenAddress | "public" | undefined;
  readonly names: readonly string[];
  /** Files of PEM texts. */
  readonly files: { readonly certificate: string; readonly key: string } | undefined;
  readonly acme:
    | {
        readonly directoryUrl: string;
        readonly email: string | undefined;
        /** A file. */
        readonly serverAuthorities: string | undefined;
        readonly kinds: readonly ("http-01" | "tls-alpn-01")[];
      }
    | undefined;
  readonly accessLog: (typeof ACCESS_LOG_MODES)[number];
  readonly clientRequestsPerSecond: number;
  readonly agentRequestsPerSecond: number;
  readonly bodyBytesMax: number;
}

/** As of `@finch/gateway`, which only a gateway loads. */
const ACCESS_LOG_MODES = ["off", "refused", "all"] as const;
const CHALLENGES = ["auto", "http-01", "tls-alpn-01"] as const;
const DIRECTORIES: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
};

export const GATEWAY_OPTIONS: readonly ConfigOption[] = [
  {
    key: "public",
    placeholder: "SWITCH",
    doc: "on or off: whether the gateway serves other machines, at ports 443 and 80 of all addresses, or 8443 and 8081 without the right to those; listen.gateway and listen.gateway_http move it",
    default: "off",
    parse: parseSwitch,
    isSwitch: true,
  },
  {
    key: "listen.gateway",
    placeholder: "HOST:PORT",
    doc: 'address of the gateway (TLS), such as 0.0.0.0:443; "auto" is as public says, "off" turns it off',
    default: "auto",
    parse: parseAutoAddress,
  },
  {
    key: "listen.gateway_http",
    placeholder: "HOST:PORT",
    doc: 'address of what leads to the gateway from http://, such as 0.0.0.0:80; "auto" is as public says, "off" turns it off',
    default: "auto",
    parse: parseAutoAddress,
  },
  {
    key: "gateway.names",
    placeholder: "NAMES",
    doc: "further names and addresses by which the gateway is reached, with commas between them, beside service.host",
    default: "none",
    parse: parseNames,
  },
  file(
    "tls_certificate",
    "certificate of the gateway, with those that signed it; read again when it changes",
  ),
  file("tls_key", "key of that certificate"),
  {
    key: "gateway.acme",
    placeholder: "AUTHORITY",
    doc: `where certificates are fetched over ACME: ${Object.keys(DIRECTORIES).join(", ")}, or the https:// address of a directory; by this you agree to its terms`,
    default: "off",
    parse: parseDirectory,
  },
  {
    key: "gateway.acme_email",
    placeholder: "ADDRESS",
    doc: "address that the authority writes to when something is wrong with a certificate",
    default: "none",
    parse: (text) => (text === "none" ? undefined : text),
  },
  {
    key: "gateway.acme_challenge",
    placeholder: "KIND",
    doc: `how the name is shown to be yours: ${CHALLENGES.join(", ")}; http-01 needs port 80 to lead to listen.gateway_http, tls-alpn-01 port 443 to listen.gateway`,
    default: "auto",
    parse: (text) => oneOf(text, CHALLENGES),
  },
  file(
    "acme_authorities",
    "authorities that the ACME server's own certificate is signed by, where they are your own",
  ),
  {
    key: "gateway.access_log",
    placeholder: "KIND",
    doc: `requests that are logged: ${ACCESS_LOG_MODES.join(", ")}`,
    default: "refused",
    parse: (text) => oneOf(text, ACCESS_LOG_MODES),
  },
  {
    key: "limits.gateway.client_requests",
    placeholder: "COUNT",
    doc: "requests a second of one address; four times as many may come at once",
    default: "1000",
    parse: (text) => parseCount(text, 1),
  },
  {
    key: "limits.gateway.agent_requests",
    placeholder: "COUNT",
    doc: "requests a second of one agent or client; ten times as many may come at once",
    default: "100",
    parse: (text) => parseCount(text, 1),
  },
  {
    key: "limits.gateway.body_bytes",
    placeholder: "SIZE",
    doc: "bytes of one request as sent; where it leads, less may be taken",
    default: "64MiB",
    parse: (text) => parseSize(text, { least: 64 * 1024, most: 1024 ** 3 }),
  },
];

function file(key: string, doc: string): ConfigOption {
  const parse = (text: string) => (text === "none" ? undefined : text);
  return { key: `gateway.${key}`, placeholder: "FILE", doc: `${doc}; PEM`, default: "none", parse };
}

/** Faults of values that do not go together are added to `faults`. */
export function assembleGatewayOptions(
  value: (key: string) => unknown,
  faults: string[],
): GatewayConfig {
  const isPublic = value("public") === true;
  const address = (key: string) => {
    const given = value(key) as ListenAddress | "auto" | undefined;
    if (given !== "auto") return given;
    return isPublic ? "public" : undefined;
  };
  const tls = address("listen.gateway");
  const http = address("listen.gateway_http");
  if (http !== undefined && tls === undefined)
    faults.push("listen.gateway_http: it leads to listen.gateway, which is off");
  const directoryUrl = value("gateway.acme") as string | undefined;
  const files = certificateFiles(value, faults);
  if (files !== undefined && directoryUrl !== undefined)
    faults.push(
      "gateway.acme: fetches a certificate, and gateway.tls_certificate names one: leave one of them out",
    );
  const challenge = value("gateway.acme_challenge") as (typeof CHALLENGES)[number];
  if (challenge === "http-01" && directoryUrl !== undefined && http === undefined)
    faults.push("gateway.acme_challenge: http-01 needs listen.gateway_http");
  const both =
    http === undefined ? (["tls-alpn-01"] as const) : (["http-01", "tls-alpn-01"] as const);
  return {
    tls,
    http,
    names: value("gateway.names") as readonly string[],
    files,
    acme:
      directoryUrl === undefined
        ? undefined
        : {
            directoryUrl,
            email: value("gateway.acme_email") as string | undefined,
            serverAuthorities: value("gateway.acme_authorities") as string | undefined,
            kinds: challenge === "auto" ? both : [challenge],
          },
    accessLog: value("gateway.access_log") as GatewayConfig["accessLog"],
    clientRequestsPerSecond: value("limits.gateway.client_requests") as number,
    agentRequestsPerSecond: value("limits.gateway.agent_requests") as number,
    bodyBytesMax: value("limits.gateway.body_bytes") as number,
  };
}

function certificateFiles(
  value: (key: string) => unknown,
  faults: string[],
): GatewayConfig["files"] {
  const certificate = value("gateway.tls_certificate") as string | undefined;
  const key = value("gateway.tls_key") as string | undefined;
  if (certificate !== undefined && key !== undefined) return { certificate, key };
  if (certificate !== undefined)
    faults.push("gateway.tls_key: gateway.tls_certificate needs its key");
  if (key !== undefined) faults.push("gateway.tls_certificate: gateway.tls_key is the key of one");
  return undefined;
}

function parseAutoAddress(text: string): ListenAddress | "auto" | undefined {
  return text === "auto" ? "auto" : parseListenAddress(text);
}

function parseDirectory(text: string): string | undefined {
  if (text === "off") return undefined;
  const known = DIRECTORIES[text];
  if (known !== undefined) return known;
  if (URL.canParse(text) && new URL(text).protocol === "https:") return text;
  throw badValue(
    `"${text}" is no authority: give ${Object.keys(DIRECTORIES).join(", ")}, the https:// address of a directory, or off`,
  );
}
