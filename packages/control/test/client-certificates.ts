/** Authorities and certificates of clients for tests, as finchctl makes them and as it should not. */
import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import type { X509Certificate } from "@peculiar/x509";

const DAY_MS = 24 * 3_600_000;
const CLIENT_AUTHENTICATION = "1.3.6.1.5.5.7.3.2";
export const SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1";

export interface Times {
  readonly nowMs: number;
  /** From now, in days; negative is before. */
  readonly fromDays?: number;
  readonly untilDays?: number;
}

export interface Authority {
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly keys: CryptoKeyPair;
}

type CryptoKeyPair = webcrypto.CryptoKeyPair;

export interface AuthorityShape extends Times {
  readonly curve?: string;
  readonly isAuthority?: boolean;
}

export async function makeAuthority(shape: AuthorityShape): Promise<Authority> {
  const { curve = "P-256", isAuthority = true } = shape;
  const keys = await makeKeys(curve);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: "CN=finch.test",
    keys,
    ...timesOf(shape),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new BasicConstraintsExtension(isAuthority, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.digitalSignature, true),
    ],
  });
  return { pem: `${certificate.toString("pem")}\n`, certificate, keys };
}

export interface ClientShape extends Times {
  readonly name: string;
  readonly curve?: string;
  /** Object identifiers; empty leaves the extension out. */
  readonly usages?: readonly string[];
  readonly isAuthority?: boolean;
}

/** A certificate as proxies hand it on: the body of its PEM in one line. */
export async function makeClient(authority: Authority, shape: ClientShape): Promise<string> {
  return bodyOf((await makeClientPair(authority, shape)).certificate);
}

/** A certificate and its key, in PEM. */
export async function makeClientPair(
  authority: Authority,
  shape: ClientShape,
): Promise<{ readonly certificate: string; readonly key: string }> {
  const { name, curve = "P-256", usages = [CLIENT_AUTHENTICATION], isAuthority } = shape;
  const keys = await makeKeys(curve);
  const certificate = await X509CertificateGenerator.create({
    subject: name,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    ...timesOf(shape),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new KeyUsagesExtension(
        isAuthority === true ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature,
        true,
      ),
      ...(usages.length === 0 ? [] : [new ExtendedKeyUsageExtension([...usages])]),
      ...(isAuthority === true ? [new BasicConstraintsExtension(true)] : []),
    ],
  });
  const key = await webcrypto.subtle.exportKey("pkcs8", keys.privateKey);
  return {
    certificate: `${certificate.toString("pem")}\n`,
    key: `-----BEGIN PRIVATE KEY-----\n${Buffer.from(key).toString("base64")}\n-----END PRIVATE KEY-----\n`,
  };
}

function bodyOf(pem: string): string {
  return pem.replaceAll(/-----(BEGIN|END) CERTIFICATE-----|\s/g, "");
}

function makeKeys(namedCurve: string): Promise<CryptoKeyPair> {
  return webcrypto.subtle.generateKey({ name: "ECDSA", namedCurve }, true, ["sign", "verify"]);
}

function timesOf({ nowMs, fromDays = -1, untilDays = 90 }: Times) {
  return {
    notBefore: new Date(nowMs + fromDays * DAY_MS),
    notAfter: new Date(nowMs + untilDays * DAY_MS),
  };
}
