/** The certificate of the first start: signed by itself, for the names and addresses of this machine, kept with its key so that who trusts it goes on trusting it. */
import "reflect-metadata";
import { createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import * as x509 from "@peculiar/x509";
import type { Clock, Logger } from "@finch/runtime";
import { plainName, readCertificate } from "./certificate.ts";
import type { ServerCertificate } from "./certificate.ts";
import { readOwnCertificate, writeOwnCertificate } from "./certificate-files.ts";
import type { CertificatePaths } from "./certificate-files.ts";

const DAY_MS = 86_400_000;
/** The longest that clients of today take. */
const LIFE_MS = 398 * DAY_MS;
/** A new one is made this long before the end. */
const RENEW_MS = 30 * DAY_MS;
/** Clocks of clients may be behind ours. */
const BACKDATE_MS = 3_600_000;
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** Names and addresses by which this machine may be reached: those that are given, its own name, and the addresses of its interfaces. */
export function namesOfThisMachine(given: readonly string[]): readonly string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .map(({ address }) => address)
    // Link-local addresses need a zone, which no certificate has.
    .filter((address) => !address.startsWith("fe80"));
  const names = [...given, hostname(), "localhost", "127.0.0.1", "::1", ...addresses];
  return [...new Set(names.map(plainName))].filter((name) => name !== "");
}

/** The pair at `paths`, made anew (with the key that is there) when it is missing, about to end, or not for one of `needed`. */
export async function keepSelfSigned(
  paths: CertificatePaths,
  about: {
    /** Names that are configured: without one of them the certificate is of no use. */
    readonly needed: readonly string[];
    readonly clock: Clock;
    readonly log: Logger;
  },
): Promise<ServerCertificate> {
  const { clock, log, needed } = about;
  const known = await readOwnCertificate(paths);
  const now = clock.nowMs();
  const isGood =
    known !== undefined &&
    known.notAfterMs - RENEW_MS > now &&
    known.notBeforeMs <= now &&
    needed.every((name) => known.names.includes(plainName(name)));
  if (isGood) return known;
  const names = namesOfThisMachine(needed);
  const made = await makeSelfSigned({ names, nowMs: now, ...(known && { key: known.key }) });
  await writeOwnCertificate(paths, made);
  log.info("made a certificate signed by itself", {
    file: paths.certificate,
    until: new Date(made.notAfterMs).toISOString(),
  });
  return made;
}

export async function makeSelfSigned(about: {
  /** The first is the common name. */
  readonly names: readonly string[];
  readonly nowMs: number;
  /** PEM of a key on P-256 to go on with. */
  readonly key?: string;
}): Promise<ServerCertificate> {
  const { names, nowMs } = about;
  const { keys, pem } = await keysOf(about.key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      // A common name has room for 64 characters, and none of them may be one of these.
      name: `CN=${(names[0] ?? "finch").replaceAll(/[,+"\\<>;=#]/g, "").slice(0, 64)}`,
      notBefore: new Date(nowMs - BACKDATE_MS),
      notAfter: new Date(nowMs + LIFE_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? "dns" : "ip", value })),
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto as Crypto,
  );
  return readCertificate(certificate.toString("pem"), pem, "the certificate that was made");
}

/** A key pair: the one in `pem`, or a fresh one. */
async function keysOf(
  pem: string | undefined,
): Promise<{ readonly keys: webcrypto.CryptoKeyPair; readonly pem: string }> {
  const { subtle } = webcrypto;
  const known = pem === undefined ? undefined : createPrivateKey(pem);
  if (known?.asymmetricKeyDetails?.namedCurve === "prime256v1") {
    const importKey = (key: KeyObject, usage: "sign" | "verify") =>
      key.toCryptoKey(ALGORITHM, true, [usage]);
    const keys = {
      privateKey: importKey(known, "sign"),
      publicKey: importKey(createPublicKey(known), "verify"),
    };
    return { keys: keys as webcrypto.CryptoKeyPair, pem: pem! };
  }
  const keys = await subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const pkcs8 = Buffer.from(await subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  const lines = pkcs8.match(/.{1,64}/g)!.join("\n");
  return {
    keys: keys as webcrypto.CryptoKeyPair,
    pem: `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`,
  };
}
