/** Which certificate the gateway shows, and how it is kept from ending: signed by itself, files of the operator's, or from an ACME authority. */
import { isIP } from "node:net";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { AcmeChallenges } from "./acme-challenges.ts";
import { AcmeRenewal } from "./acme-renewal.ts";
import type { AcmeOptions } from "./acme-renewal.ts";
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
  /** Fetches certificates for the names among `hosts`. Until there is one, one signed by itself is shown. */
  readonly acme?: AcmeOptions | undefined;
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
  /** Looks at the operator's files now. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** Where a certificate comes from after the first. */
interface Source {
  readonly first: ServerCertificate;
  start(use: (certificate: ServerCertificate) => void): void;
  look(): Promise<void>;
  close(): Promise<void>;
}

/** Files are looked at this often. */
const LOOK_MS = 10_000;

export async function openCertificates(
  options: CertificateOptions,
  challenges: AcmeChallenges,
): Promise<Certificates> {
  const { files, hosts } = options;
  const source =
    files === undefined ? await openOwn(options, challenges) : await openFiles(files, options);
  let current = source.first;
  const certificates: Certificates = {
    get current() {
      return current;
    },
    onChange: () => {},
    isOwnName: (name) =>
      namesOfThisMachine(hosts).includes(plainName(name)) ||
      current.names.some((own) => covers(own, plainName(name))),
    startRenewing: () => {
      source.start((certificate) => {
        current = certificate;
        certificates.onChange(certificate);
      });
    },
    reload: () => source.look(),
    close: () => source.close(),
  };
  return certificates;
}

async function openFiles(paths: CertificatePaths, { log }: CertificateOptions): Promise<Source> {
  const seen = await stampOf(paths);
  let watch: CertificateWatch | undefined;
  return {
    first: await readCertificateFiles(paths),
    start: (use) => {
      watch = new CertificateWatch(paths, { seen, everyMs: LOOK_MS, use, log });
    },
    look: async () => {
      await watch?.look();
    },
    close: async () => watch?.close(),
  };
}

async function openOwn(options: CertificateOptions, challenges: AcmeChallenges): Promise<Source> {
  const { acme, clock, directory, hosts, log } = options;
  let use: (certificate: ServerCertificate) => void = () => {};
  const renewal =
    acme &&
    new AcmeRenewal({
      acme,
      directory,
      names: namesFor(hosts),
      challenges,
      use: (certificate) => use(certificate),
      clock,
      log,
    });
  const paths = {
    certificate: join(directory, "gateway.pem"),
    key: join(directory, "gateway.key"),
  };
  return {
    first: (await renewal?.load()) ?? (await keepSelfSigned(paths, { needed: hosts, clock, log })),
    start: (given) => {
      use = given;
      renewal?.start();
    },
    look: async () => {},
    close: async () => renewal?.close(),
  };
}

/** Names that an authority can ask about. */
function namesFor(hosts: readonly string[]): readonly string[] {
  const names = hosts.map(plainName).filter((name) => isIP(name) === 0 && name.includes("."));
  if (names.length > 0) return names;
  throw new FinchError(
    "invalid",
    "gateway/no-name",
    "a certificate of an ACME authority needs a public name: give it in service.host, such as finch.example.com",
  );
}

/** Whether a name in a certificate, which may begin with `*.`, is for `name`. */
function covers(own: string, name: string): boolean {
  if (!own.startsWith("*.")) return own === name;
  const suffix = own.slice(1);
  return isIP(name) === 0 && name.endsWith(suffix) && !name.slice(0, -suffix.length).includes(".");
}
