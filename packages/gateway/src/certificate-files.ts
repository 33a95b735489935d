/** Certificates on disk: written whole or not at all, keys for nobody else to read; and files of others, read again when they change. */
import { mkdir, open, readFile, rename, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { describeError, FinchError } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import { readCertificate } from "./certificate.ts";
import type { ServerCertificate } from "./certificate.ts";

export interface CertificatePaths {
  readonly certificate: string;
  readonly key: string;
}

/** The pair in two files; `gateway/no-certificate-file` names one that cannot be read. */
export async function readCertificateFiles(paths: CertificatePaths): Promise<ServerCertificate> {
  const read = async (path: string) => {
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      throw new FinchError("invalid", "gateway/no-certificate-file", `cannot read ${path}`, {
        cause: error,
      });
    }
  };
  const [cert, key] = [await read(paths.certificate), await read(paths.key)];
  return readCertificate(cert, key, paths.certificate);
}

/** The pair of ours, or undefined where there is none that can be used. */
export async function readOwnCertificate(
  paths: CertificatePaths,
): Promise<ServerCertificate | undefined> {
  try {
    return await readCertificateFiles(paths);
  } catch (error) {
    if (error instanceof FinchError) return undefined;
    throw error;
  }
}

/** The key goes first: a certificate without its key would be of no use. */
export async function writeOwnCertificate(
  paths: CertificatePaths,
  pair: { readonly cert: string; readonly key: string },
): Promise<void> {
  await writeWhole(paths.key, pair.key, 0o600);
  await writeWhole(paths.certificate, pair.cert, 0o644);
}

export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const directory = dirname(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const temporary = `${path}.tmp`;
  await writeFile(temporary, text, { mode, flush: true });
  await rename(temporary, path);
  const handle = await open(directory, "r");
  await handle.sync();
  await handle.close();
}

/** Looks at a pair of files again and again. */
export class CertificateWatch {
  readonly #paths: CertificatePaths;
  readonly #use: (certificate: ServerCertificate) => void;
  readonly #log: Logger;
  readonly #timer: NodeJS.Timeout;
  #seen: string;

  /** `seen` is from {@link stampOf} before the files were first read. */
  constructor(
    paths: CertificatePaths,
    about: {
      readonly seen: string;
      readonly everyMs: number;
      readonly use: (certificate: ServerCertificate) => void;
      readonly log: Logger;
    },
  ) {
    this.#paths = paths;
    this.#seen = about.seen;
    this.#use = about.use;
    this.#log = about.log;
    this.#timer = setInterval(() => void this.look(), about.everyMs);
    this.#timer.unref();
  }

  /** Takes the files when they changed and fit; what does not fit (half of a change, say) leaves the one in use, is told, and is looked at again. */
  async look(): Promise<void> {
    const stamp = await stampOf(this.#paths);
    if (stamp === this.#seen) return;
    try {
      const certificate = await readCertificateFiles(this.#paths);
      this.#use(certificate);
      this.#seen = stamp;
      const until = new Date(certificate.notAfterMs).toISOString();
      this.#log.info("certificate files were read again", { until });
    } catch (error) {
      this.#log.error("changed certificate files are not used", { error: describeError(error) });
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

/** Changes whenever one of the files does. */
export async function stampOf({ certificate, key }: CertificatePaths): Promise<string> {
  const stampOfFile = async (path: string) => {
    const found = await stat(path).catch(() => undefined);
    return found === undefined ? "none" : `${found.mtimeMs}:${found.size}:${found.ino}`;
  };
  return `${await stampOfFile(certificate)} ${await stampOfFile(key)}`;
}
