/**
 * The certificate by which this user is known to a service: an authority of its own, whose key is forgotten at once, and one certificate it signed. The service
 * gets the authority's certificate; the client's key never leaves this machine.
 */
import { createHmac, createPrivateKey, randomBytes, webcrypto, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** PEM throughout; the key in SEC1, as the original writes it. */
export interface ClientCredentials {
  readonly authorityCertificate: string;
  readonly certificate: string;
  readonly key: string;
}

const VALID_MS = 90 * 24 * 3_600_000;
/** Clocks of other machines may be behind. */
const BACKDATED_MS = 5 * 60_000;
const KEY_ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNING_ALGORITHM = { name: "ECDSA", hash: "SHA-256" } as const;
const MACHINE_ID_FILES = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/** Makes authority, key and certificate, valid for 90 days; `clientId` becomes the common name, by which the service looks up the authority. */
export async function makeClientCredentials(options: {
  readonly clientId: string;
  readonly service: string;
  readonly nowMs: number;
}): Promise<ClientCredentials> {
  const times = {
    notBefore: new Date(options.nowMs - BACKDATED_MS),
    notAfter: new Date(options.nowMs + VALID_MS),
  };
  const authorityKeys = await makeKeys();
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: randomSerial(),
    // Not the service's bare name: a TLS server that trusts another authority of that name checks against it, and OpenSSL leaves the failed check behind as
    // an error of the connection.
    name: [{ CN: [`clients of ${options.service}`] }],
    keys: authorityKeys,
    signingAlgorithm: SIGNING_ALGORITHM,
    ...times,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(
        KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature,
        true,
      ),
    ],
  });
  const keys = await makeKeys();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: [{ CN: [options.clientId] }],
    issuer: authority.subject,
    publicKey: keys.publicKey,
    signingKey: authorityKeys.privateKey,
    signingAlgorithm: SIGNING_ALGORITHM,
    ...times,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
    ],
  });
  return {
    authorityCertificate: `${authority.toString("pem")}\n`,
    certificate: `${certificate.toString("pem")}\n`,
    key: await exportKey(keys.privateKey),
  };
}

/** Who a certificate is of: the name under which the service keeps its authority. */
export function clientIdOf(certificate: string): string {
  const { CN: name } = new X509Certificate(certificate).toLegacyObject().subject as {
    readonly CN?: string;
  };
  return name ?? "";
}

/** Milliseconds until the certificate ends. */
export function validMsOf(certificate: string, nowMs: number): number {
  return new X509Certificate(certificate).validToDate.getTime() - nowMs;
}

/**
 * The id of this user on this machine, `rid:finchctl:` and 16 hexadecimal digits; does not tell the machine's own id. Without a machine id it is a new one each time:
 * the certificate remembers it.
 */
export async function makeClientId(): Promise<string> {
  const machineId = await readMachineId();
  const digits = createHmac("sha256", machineId)
    .update(`finchctl:${userInfo().username}`)
    .digest("hex");
  return `rid:finchctl:${digits.slice(0, 16)}`;
}

async function readMachineId(): Promise<string> {
  for (const path of MACHINE_ID_FILES) {
    const text = await readFile(path, "utf8").catch(() => "");
    if (text.trim() !== "") return text.trim();
  }
  return randomBytes(32).toString("hex");
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ["sign", "verify"]);
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = await webcrypto.subtle.exportKey("pkcs8", key);
  const exported = createPrivateKey({ key: Buffer.from(der), format: "der", type: "pkcs8" });
  return exported.export({ format: "pem", type: "sec1" }).toString();
}

/** Positive, 127 bits. */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 1;
  return bytes.toString("hex");
}
