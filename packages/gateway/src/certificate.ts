/** A certificate of the gateway with its key, as PEM texts, and what is known of it. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import { FinchError } from "@finch/runtime";

export interface ServerCertificate {
  /** The certificate and those that signed it. */
  readonly cert: string;
  readonly key: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DNS names and addresses it is for, in lower case. */
  readonly names: readonly string[];
  readonly isSelfSigned: boolean;
}

/** Reads and checks a pair; `gateway/bad-certificate` says what is wrong with `where`. */
export function readCertificate(cert: string, key: string, where: string): ServerCertificate {
  const bad = (what: string, cause?: unknown) =>
    new FinchError("invalid", "gateway/bad-certificate", `${where}: ${what}`, { cause });
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch (error) {
    throw bad("is no certificate in PEM", error);
  }
  let fits: boolean;
  try {
    fits = leaf.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw bad("the key is no private key in PEM, or it is encrypted", error);
  }
  if (!fits) throw bad("the key belongs to another certificate");
  return {
    cert,
    key,
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
    names: namesOf(leaf),
    isSelfSigned: leaf.issuer === leaf.subject && leaf.verify(leaf.publicKey),
  };
}

function namesOf({ subjectAltName = "" }: X509Certificate): readonly string[] {
  return subjectAltName
    .split(", ")
    .filter((name) => /^(?:DNS|IP Address):/.test(name))
    .map((name) => plainName(name.slice(name.indexOf(":") + 1)));
}

/** A name or an address as it is compared: in lower case, IPv6 as short as it can be. */
export function plainName(name: string): string {
  return isIP(name) === 6 ? new URL(`https://[${name}]`).hostname.slice(1, -1) : name.toLowerCase();
}
