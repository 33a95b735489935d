/** Arguments of the `http` block, which is about the agent's own listener, and what contradicts itself in them. */
import type { SecureVersion } from "node:tls";
import type { ArgumentFault } from "../component.ts";
import { serverTlsFault, TLS_SERVER_ARGUMENTS } from "../http-server-schema.ts";
import { block, maybe, notYet, optional, required, type ValuesOf } from "../schema.ts";

/** Go's names of TLS versions. */
export const TLS_VERSIONS: Readonly<Record<string, SecureVersion>> = {
  TLS10: "TLSv1",
  TLS11: "TLSv1.1",
  TLS12: "TLSv1.2",
  TLS13: "TLSv1.3",
};

/** Go's names of curves, and those of OpenSSL. */
export const CURVES: Readonly<Record<string, string>> = {
  CurveP256: "prime256v1",
  CurveP384: "secp384r1",
  CurveP521: "secp521r1",
  X25519: "X25519",
};

/** Go's names of the cipher suites it takes, and those of OpenSSL. Suites of TLS 1.3 have one name, and cannot be chosen in Go. */
export const CIPHERS: Readonly<Record<string, string>> = {
  TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256",
  TLS_AES_256_GCM_SHA384: "TLS_AES_256_GCM_SHA384",
  TLS_CHACHA20_POLY1305_SHA256: "TLS_CHACHA20_POLY1305_SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
};

const TLS_ARGUMENTS = {
  ...TLS_SERVER_ARGUMENTS,
  cipher_suites: optional("list(string)", [], "Cipher suites, in Go's names; empty: the usual."),
  curve_preferences: optional("list(string)", [], "Curves, best first; empty: the usual."),
  min_version: maybe("string", `Lowest version: ${Object.keys(TLS_VERSIONS).join(", ")}.`),
  max_version: maybe("string", `Highest version: ${Object.keys(TLS_VERSIONS).join(", ")}.`),
  windows_certificate_filter: notYet("block", "Certificates from the store of Windows."),
};

const AUTH_ARGUMENTS = {
  basic: block(
    {
      username: required("string", "User name."),
      password: required("secret", "Password."),
    },
    { repeat: "optional", doc: "Asks for a name and a password." },
  ),
  filter: block(
    {
      paths: optional("list(string)", [], "Beginnings of paths."),
      authenticate_matching_paths: optional(
        "bool",
        true,
        "Whether paths that begin so are asked for the password, or all others.",
      ),
    },
    { repeat: "optional", doc: "Which paths ask; all when there is no such block." },
  ),
};

export const HTTP_BLOCK_ARGUMENTS = {
  auth: block(AUTH_ARGUMENTS, { repeat: "optional", doc: "Who may ask." }),
  tls: block(TLS_ARGUMENTS, { repeat: "optional", doc: "Serves HTTPS." }),
};

export type HttpBlockArguments = ValuesOf<typeof HTTP_BLOCK_ARGUMENTS>;
export type HttpTlsArguments = ValuesOf<typeof TLS_ARGUMENTS>;

export function httpBlockFault({ auth, tls }: HttpBlockArguments): ArgumentFault | undefined {
  const filter = auth?.filter;
  if (filter !== undefined && filter.authenticate_matching_paths && filter.paths.length === 0)
    return {
      at: "auth.filter",
      message: "the filter names no paths, so nobody would be asked; name some, or leave it out",
    };
  return tls === undefined ? undefined : tlsFault(tls);
}

function tlsFault(tls: HttpTlsArguments): ArgumentFault | undefined {
  const fault = serverTlsFault(tls);
  if (fault !== undefined) return { at: "tls", message: fault };
  const hasAuthority = tls.client_ca_pem !== undefined || tls.client_ca_file !== undefined;
  if (hasAuthority && tls.client_auth_type === "NoClientCert")
    return {
      at: "tls.client_auth_type",
      message: "client_ca_pem and client_ca_file say nothing when client_auth_type is NoClientCert",
    };
  return (
    unknownName("tls.min_version", listOf(tls.min_version), TLS_VERSIONS) ??
    unknownName("tls.max_version", listOf(tls.max_version), TLS_VERSIONS) ??
    unknownName("tls.cipher_suites", tls.cipher_suites, CIPHERS) ??
    unknownName("tls.curve_preferences", tls.curve_preferences, CURVES)
  );
}

function listOf(text: string | undefined): readonly string[] {
  return text === undefined || text === "" ? [] : [text];
}

function unknownName(
  at: string,
  names: readonly string[],
  known: Readonly<Record<string, string>>,
): ArgumentFault | undefined {
  const name = names.find((one) => !Object.hasOwn(known, one));
  if (name === undefined) return undefined;
  return {
    at,
    message: `unknown name ${JSON.stringify(name)}; one of ${Object.keys(known).join(", ")}`,
  };
}
