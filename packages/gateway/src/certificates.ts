/** Which certificate the gateway shows, and how it is kept from ending: signed by itself, files of the operator's, or from an ACME authority. */
import { isIP } from "node:net";
import { join } from "node:path";
import { assert } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { AcmeChallenges } from "./acme-challenges.ts";
import { plainName } from "./certificate.ts";
import type { ServerCertificate } from "./certificate.ts";
import { CertificateWatch, readCertificateFiles, stampOf } from "./certificate-files.ts";
import type { CertificatePaths } from "./certificate-files.ts";
import { keepSelfSigned, namesOfThisMachine } from "./certificate-self-signed.ts";

export interface CertificateOptions {
  /** Where those that are made or fetched are kept. */
  readonly directory: string;
  /** Names by which clients reach the gateway, the first being the one that is shown. */
  readonly hosts: readonly string[];
  /** Files of the operator's. */
  readonly files: CertificatePaths | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Certificates {
  readonly current: ServerCertificate;
  /** Called with each certificate that takes the place of the one before. */
  onChange: (certificate: ServerCertificate) => void;
  /** Whether clients may be sent to this name or address. */
  isOwnName(name: string): boolean;
  /** Begins to look for changes and ends; once. */
  startRenewing(): void;
  /** Looks at the files now. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** Files are looked at this often. */
const LOOK_MS = 10_000;

export async function openCertificates(
  options: CertificateOptions,
  _challenges: AcmeChallenges,
): Promise<Certificates> {
  const { directory, files, hosts, clock, log } = options;
  let watch: CertificateWatch | undefined;
  const seen = files && (await stampOf(files));
  let current =
    files === undefined
      ? await keepSelfSigned(
          { certificate: join(directory, "gateway.pem"), key: join(directory, "gateway.key") },
          { needed: hosts, clock, log },
        )
      : await readCertificateFiles(files);
  const certificates: Certificates = {
    get current() {
      return current;
    },
    onChange: () => {},
    isOwnName: (name) =>
      namesOfThisMachine(hosts).includes(plainName(name)) ||
      current.names.some((own) => covers(own, plainName(name))),
    startRenewing: () => {
      assert(watch === undefined, "renewing is started once");
      if (files === undefined || seen === undefined) return;
      watch = new CertificateWatch(files, { seen, everyMs: LOOK_MS, use, log });
    },
    reload: async () => {
      await watch?.look();
    },
    close: async () => watch?.close(),
  };
  const use = (certificate: ServerCertificate) => {
    current = certificate;
    certificates.onChange(certificate);
  };
  return certificates;
}

/** Whether a name in a certificate, which may begin with `*.`, is for `name`. */
function covers(own: string, name: string): boolean {
  if (!own.startsWith("*.")) return own === name;
  return (
    isIP(name) === 0 && name.endsWith(own.slice(1)) && !name.slice(0, -own.length + 1).includes(".")
  );
}
