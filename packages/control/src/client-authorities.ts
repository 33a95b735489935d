/**
 * Who may call over gRPC: clients with a certificate that their own authority signed. `certs.d/CN.pem` holds the authority (or, while it is rotated, both) of the client
 * whose certificates have that common name; the key of an authority stays with its client. Files are read for each call, so that what an administrator puts there or
 * takes away holds at once.
 */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import {
  AUTHORITIES_OF_CLIENT_MAX,
  AUTHORITY_FILE_BYTES_MAX,
  CLIENT_CERTIFICATE_CHARS_MAX,
} from "./limits.ts";
import type { Refusals } from "./refusals.ts";

export interface ClientIdentity {
  /** The common name: `rid:finchctl:…`. */
  readonly resourceId: string;
  /** When the certificate ends. */
  readonly validUntilMs: number;
}

export interface ClientAuthoritiesOptions {
  /** The data directory. */
  readonly directory: string;
  readonly refusals: Refusals;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Ours, and where the original's client puts them. */
const FOLDERS = ["certs.d", join("traefik", "etc", "certs.d")];
const CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2";

export class ClientAuthorities {
  readonly #options: ClientAuthoritiesOptions;

  constructor(options: ClientAuthoritiesOptions) {
    this.#options = options;
  }

  /**
   * Who the certificate is of, in the form proxies hand it on: the body of a PEM, or a whole one in percent-encoding. A fault is `control/no-permission`, with the same
   * message whatever is wrong; the log has the reason.
   */
  async verifyForwarded(text: string | undefined): Promise<ClientIdentity> {
    if (text === undefined || text === "") throw this.#refuse("", "no client certificate");
    return await this.verify(parseForwarded(text) ?? "it cannot be read");
  }

  /** The same of a certificate from a handshake of TLS, or of the reason why there is none. */
  async verify(certificate: X509Certificate | string): Promise<ClientIdentity> {
    if (typeof certificate === "string") throw this.#refuse("", certificate);
    const name = commonName(certificate);
    const nowMs = this.#options.clock.nowMs();
    const flaw = flawOf(certificate, name, nowMs);
    if (flaw !== undefined || name === undefined) throw this.#refuse(name ?? "", flaw ?? "no name");
    const authorities = await this.#authoritiesOf(name);
    if (authorities.length === 0) throw this.#refuse(name, "its authority is not known here");
    if (!authorities.some((authority) => hasSigned(authority, certificate, nowMs)))
      throw this.#refuse(name, "no authority of this client has signed it");
    return { resourceId: name, validUntilMs: certificate.validToDate.getTime() };
  }

  async #authoritiesOf(name: string): Promise<readonly X509Certificate[]> {
    const { directory, log } = this.#options;
    const found: X509Certificate[] = [];
    for (const folder of FOLDERS) {
      const path = join(directory, folder, `${name}.pem`);
      try {
        found.push(...parseAuthorities(await readFile(path)));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT")
          log.error("the authority of a client cannot be read", {
            path,
            error: (error as Error).message,
          });
      }
    }
    return found.slice(0, AUTHORITIES_OF_CLIENT_MAX);
  }

  #refuse(client: string, reason: string): FinchError {
    this.#options.refusals.record("certificate", { client, reason });
    return new FinchError("unauthenticated", "control/no-permission", "permission denied");
  }
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates of a file, those of a PEM between which there may be words. */
function parseAuthorities(file: Buffer): readonly X509Certificate[] {
  if (file.length > AUTHORITY_FILE_BYTES_MAX) throw new Error("it is larger than an authority is");
  const blocks = file.toString("latin1").match(PEM) ?? [];
  if (blocks.length === 0) throw new Error("it holds no certificate in PEM");
  return blocks.map((pem) => new X509Certificate(pem));
}

/** Proxies hand on the body without line breaks, several with commas between them, the client's first; nginx the whole, percent-encoded. */
function parseForwarded(text: string): X509Certificate | undefined {
  if (text.length > CLIENT_CERTIFICATE_CHARS_MAX) return undefined;
  try {
    const plain = text.includes("%") ? decodeURIComponent(text) : text;
    const [first = ""] = plain.replaceAll(/-----(BEGIN|END) CERTIFICATE-----|\s/g, "").split(",");
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(first)) return undefined;
    return new X509Certificate(Buffer.from(first, "base64"));
  } catch {
    return undefined;
  }
}

/** The common name, where there is one that can be the name of a file. */
function commonName(certificate: X509Certificate): string | undefined {
  const { CN: name } = (certificate.toLegacyObject().subject ?? {}) as { readonly CN?: unknown };
  return typeof name === "string" && /^[A-Za-z0-9][A-Za-z0-9:._-]{0,199}$/.test(name)
    ? name
    : undefined;
}

/** What is wrong with the certificate by itself. */
function flawOf(
  certificate: X509Certificate,
  name: string | undefined,
  nowMs: number,
): string | undefined {
  if (name === undefined) return "its common name is not one of a client";
  if (!isOnP256(certificate)) return "its key is not on the curve P-256";
  if (certificate.ca) return "it is of an authority itself";
  if (!certificate.keyUsage?.includes(CLIENT_AUTHENTICATION)) return "it is not for clients";
  if (nowMs < certificate.validFromDate.getTime()) return "it is not valid yet";
  if (nowMs >= certificate.validToDate.getTime()) return "it has expired";
  return undefined;
}

function hasSigned(
  authority: X509Certificate,
  certificate: X509Certificate,
  nowMs: number,
): boolean {
  return (
    authority.ca &&
    isOnP256(authority) &&
    nowMs >= authority.validFromDate.getTime() &&
    nowMs < authority.validToDate.getTime() &&
    certificate.checkIssued(authority) &&
    certificate.verify(authority.publicKey)
  );
}

function isOnP256({ publicKey }: X509Certificate): boolean {
  return (
    publicKey.asymmetricKeyType === "ec" &&
    publicKey.asymmetricKeyDetails?.namedCurve === "prime256v1"
  );
}
