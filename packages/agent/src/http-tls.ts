/** TLS of the agent's connections, as components' `tls_config` blocks give it. */
import { readFile } from "node:fs/promises";
import type { SecureVersion } from "node:tls";
import { FinchError } from "@finch/runtime";
import type { Secret } from "./schema.ts";

export interface TlsOptions {
  readonly caPem: string | undefined;
  readonly caFile: string | undefined;
  readonly certPem: string | undefined;
  readonly certFile: string | undefined;
  readonly keyPem: Secret | undefined;
  readonly keyFile: string | undefined;
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
  /** `TLS10` … `TLS13`; undefined leaves it to the platform. */
  readonly minVersion: string | undefined;
}

const TLS_VERSIONS: Readonly<Record<string, SecureVersion>> = {
  TLS10: "TLSv1",
  TLS11: "TLSv1.1",
  TLS12: "TLSv1.2",
  TLS13: "TLSv1.3",
};

/** TLS of a connection as node:tls takes it; files are read at each call. */
export async function loadTls(tls: TlsOptions | undefined): Promise<Record<string, unknown>> {
  if (tls === undefined) return {};
  const loaded: Record<string, unknown> = { rejectUnauthorized: !tls.insecureSkipVerify };
  const ca = tls.caPem ?? (await loadPem(tls.caFile, "ca_file"));
  const cert = tls.certPem ?? (await loadPem(tls.certFile, "cert_file"));
  const key = tls.keyPem?.reveal() ?? (await loadPem(tls.keyFile, "key_file"));
  if (ca !== undefined) loaded["ca"] = ca;
  if (cert !== undefined) loaded["cert"] = cert;
  if (key !== undefined) loaded["key"] = key;
  if (tls.serverName !== undefined) loaded["servername"] = tls.serverName;
  if (tls.minVersion !== undefined) {
    const version = TLS_VERSIONS[tls.minVersion];
    if (version === undefined) {
      throw new FinchError(
        "invalid",
        "agent/http-tls-version",
        `min_version ${tls.minVersion} is none of ${Object.keys(TLS_VERSIONS).join(", ")}`,
      );
    }
    loaded["minVersion"] = version;
  }
  return loaded;
}

async function loadPem(path: string | undefined, name: string): Promise<string | undefined> {
  if (path === undefined || path === "") return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new FinchError("invalid", "agent/http-tls-file", `cannot read ${name} ${path}`, {
      cause,
    });
  }
}
