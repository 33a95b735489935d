/** `finch.yaml` on a host: what `service deploy` sets in it. Whatever else people wrote there stays, comments and all. */
import { Document, parseDocument } from "yaml";
import { FinchError } from "@finch/runtime";
import { GATEWAY_PORT, parseServiceAddress } from "./host-address.ts";
import type { ServiceAddress } from "./host-address.ts";
import { SERVICE_CERTIFICATE, SERVICE_CONFIG, SERVICE_DATA, SERVICE_KEY } from "./layout.ts";

/** Undefined leaves what the file says. */
export interface ServiceSettings {
  readonly address: ServiceAddress;
  /** Further names or addresses that lead to it. */
  readonly otherNames: readonly string[];
  readonly tls: "self-signed" | "letsencrypt" | "files" | undefined;
  readonly email: string | undefined;
}

/** What is read of the file of a service that is there. */
export interface DeployedService {
  readonly address: ServiceAddress | undefined;
  readonly dataDirectory: string;
  /** On the host. */
  readonly healthUrl: string;
}

const HEAD = ` Written by "finchctl service deploy"; what you add here stays. "finch up --help" lists what can be set.`;
const HEALTH_PORT = 3003;

/** The file as it should be, made from the file that is there. */
export function writeServiceConfig(before: string | undefined, settings: ServiceSettings): string {
  const document = before === undefined ? new Document({}) : parseConfig(before);
  if (before === undefined) document.commentBefore = HEAD;
  const { address, otherNames, tls, email } = settings;
  const { host, port } = address;
  const set = (path: readonly string[], value: unknown) => document.setIn(path, value);
  if (!document.has("data_dir")) set(["data_dir"], SERVICE_DATA);
  set(["public"], "on");
  set(["service", "host"], port === GATEWAY_PORT ? host : `${host}:${port}`);
  if (port !== GATEWAY_PORT) set(["listen", "gateway"], `0.0.0.0:${port}`);
  if (otherNames.length > 0) set(["gateway", "names"], otherNames.join(","));
  if (tls !== undefined) {
    for (const key of ["acme", "acme_email", "tls_certificate", "tls_key"])
      document.deleteIn(["gateway", key]);
  }
  if (tls === "letsencrypt") {
    set(["gateway", "acme"], "letsencrypt");
    set(["gateway", "acme_email"], email);
  }
  if (tls === "files") {
    set(["gateway", "tls_certificate"], SERVICE_CERTIFICATE);
    set(["gateway", "tls_key"], SERVICE_KEY);
  }
  return document.toString({ lineWidth: 0 });
}

export function readServiceConfig(text: string): DeployedService {
  const document = parseConfig(text);
  const get = (...path: string[]) => {
    const value: unknown = document.getIn(path);
    return typeof value === "string" ? value : undefined;
  };
  const name = get("service", "host");
  const health = get("listen", "health") ?? `127.0.0.1:${HEALTH_PORT}`;
  return {
    address: name === undefined || name === "auto" ? undefined : parseServiceAddress(name),
    dataDirectory: get("data_dir") ?? SERVICE_DATA,
    healthUrl: `http://${health.replace(/^(0\.0\.0\.0)?:/, "127.0.0.1:")}/healthz`,
  };
}

function parseConfig(text: string): Document {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    throw new FinchError(
      "invalid",
      "finch/bad-config",
      `${SERVICE_CONFIG} on the host cannot be read: ${document.errors[0]!.message}; mend it there, or move it away to begin anew`,
    );
  }
  return document as Document;
}
