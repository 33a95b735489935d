/**
 * Who this service is: `finch.json` in the data directory, readable by its owner alone, in the format of the original Finch, so that a directory of its is taken over
 * as it stands and its tools may write it. Read at the start and again on demand; the secret never leaves this file but to sign and verify.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmod, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";

/** A secret that tokens may still be signed with. */
export interface FormerSecret {
  readonly secret: string;
  readonly validUntilMs: number;
}

export interface ServiceIdentity {
  /** 16 hexadecimal digits; part of every resource id. */
  readonly id: string;
  /** The name by which agents and people reach the service. */
  readonly hostname: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** What tokens are signed with: base64 of 32 random bytes, used as text. */
  readonly secret: string;
  /** Secrets before it, as long as they are still taken. */
  readonly formerSecrets: readonly FormerSecret[];
}

export interface IdentityStoreOptions {
  /** The data directory. */
  readonly directory: string;
  /** The name for a service that has none yet; one that is configured replaces the name in the file. */
  readonly hostname: { readonly configured: string | undefined; readonly fallback: string };
  readonly clock: Clock;
  readonly log: Logger;
}

/** The file's fields; those we do not use are kept as they are. */
interface IdentityFile extends Record<string, unknown> {
  readonly id: string;
  readonly hostname: string;
  readonly created_at: string;
  readonly secret: string;
  readonly former_secrets?: readonly { readonly secret: string; readonly valid_until: string }[];
}

const FILE_NAME = "finch.json";
const SECRET_BYTES = 32;
/** Characters of a secret below which it can be guessed. */
const SECRET_CHARS_MIN = 32;

/** The file of the identity, and what it said when it was read last. */
export class IdentityStore {
  readonly #options: IdentityStoreOptions;
  readonly #path: string;
  #file: IdentityFile;
  /** Which file was read or written last, so that one by others is noticed. */
  #mark = "";

  private constructor(options: IdentityStoreOptions, path: string, file: IdentityFile) {
    this.#options = options;
    this.#path = path;
    this.#file = file;
  }

  /** Reads the file, or makes one with a new secret. A file that is there and cannot be used is a fault, never replaced. */
  static async open(options: IdentityStoreOptions): Promise<IdentityStore> {
    const path = join(options.directory, FILE_NAME);
    const present = await readIdentity(path, options.log);
    const { configured, fallback } = options.hostname;
    const hostname = configured ?? present?.hostname ?? fallback;
    const store = new IdentityStore(
      options,
      path,
      present ?? makeIdentity(hostname, options.clock.nowMs()),
    );
    if (present?.hostname !== hostname) await store.#write({ ...store.#file, hostname });
    store.#mark = await markOf(path);
    return store;
  }

  /** As of now: former secrets that have run out are left out. */
  get current(): ServiceIdentity {
    const { id, hostname, created_at: createdAt, secret, former_secrets: former = [] } = this.#file;
    const nowMs = this.#options.clock.nowMs();
    const formerSecrets = former
      .map((one) => ({ secret: one.secret, validUntilMs: Date.parse(one.valid_until) }))
      .filter(({ validUntilMs }) => validUntilMs > nowMs);
    return { id, hostname, createdAt, secret, formerSecrets };
  }

  /** Reads the file again if it is another one than before, which is told; faults as {@link reload}, once for each such file. */
  async reloadChanged(): Promise<boolean> {
    if ((await markOf(this.#path)) === this.#mark) return false;
    await this.reload();
    return true;
  }

  /** Reads the file again, for what other programs wrote to it; a file that cannot be used is a fault and changes nothing. */
  async reload(): Promise<void> {
    this.#mark = await markOf(this.#path);
    const file = await readIdentity(this.#path, this.#options.log);
    if (file === undefined) throw badIdentity(this.#path, "it is gone");
    const { configured } = this.#options.hostname;
    this.#file = { ...file, ...(configured !== undefined && { hostname: configured }) };
  }

  /**
   * Takes a new secret. Tokens signed with the present one are valid for `overlapMs` more; 0 refuses them at once. What is on disk when this resolves
   * is what holds from then on.
   */
  async rotateSecret(overlapMs: number): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    const { secret, formerSecrets } = this.current;
    const kept =
      overlapMs > 0 ? [{ secret, validUntilMs: nowMs + overlapMs }, ...formerSecrets] : [];
    await this.#write({
      ...this.#file,
      secret: makeSecret(),
      former_secrets: kept.map((one) => ({
        secret: one.secret,
        valid_until: new Date(one.validUntilMs).toISOString(),
      })),
    });
  }

  async #write(file: IdentityFile): Promise<void> {
    const temporary = `${this.#path}.tmp`;
    const handle = await open(temporary, "w", 0o600);
    await handle.chmod(0o600);
    await handle.writeFile(`${JSON.stringify(file, undefined, 2)}\n`);
    await handle.sync();
    await handle.close();
    await rename(temporary, this.#path);
    const directory = await open(dirname(this.#path), "r");
    await directory.sync();
    await directory.close();
    this.#mark = await markOf(this.#path);
    this.#file = file;
  }
}

/** Differs between two versions of a file; empty when there is none. */
async function markOf(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true });
    return `${ino} ${mtimeNs} ${size}`;
  } catch {
    return "";
  }
}

function makeIdentity(hostname: string, nowMs: number): IdentityFile {
  return {
    created_at: new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z"),
    database: "sqlite://finch.db",
    hostname: "",
    id: createHash("sha256").update(hostname).digest("hex").slice(0, 16),
    profiler: "",
    secret: makeSecret(),
  };
}

function makeSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64");
}

async function readIdentity(path: string, log: Logger): Promise<IdentityFile | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw badIdentity(path, (error as Error).message);
  }
  const { mode } = await stat(path);
  if ((mode & 0o077) !== 0) {
    await chmod(path, 0o600);
    log.warn(
      "the file with the service's secret could be read by others; it is closed to them now",
      {
        path,
      },
    );
  }
  return parseIdentity(path, text);
}

function parseIdentity(path: string, text: string): IdentityFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badIdentity(path, "it is no JSON");
  }
  const file = value as Partial<IdentityFile> | null;
  if (typeof file !== "object" || file === null) throw badIdentity(path, "it is no object");
  for (const field of ["id", "hostname", "created_at", "secret"] as const) {
    if (typeof file[field] !== "string" || file[field] === "")
      throw badIdentity(path, `"${field}" is missing`);
  }
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(file.id ?? ""))
    throw badIdentity(path, `"id" is not of letters and digits`);
  if ((file.secret ?? "").length < SECRET_CHARS_MIN)
    throw badIdentity(path, `"secret" is shorter than ${SECRET_CHARS_MIN} characters`);
  checkFormerSecrets(path, file.former_secrets ?? []);
  return file as IdentityFile;
}

function checkFormerSecrets(path: string, former: unknown): void {
  const isFormer = (one: unknown) => {
    const { secret, valid_until: until } = (one ?? {}) as Record<string, unknown>;
    return (
      typeof secret === "string" &&
      secret.length >= SECRET_CHARS_MIN &&
      typeof until === "string" &&
      Number.isFinite(Date.parse(until))
    );
  };
  if (!Array.isArray(former) || !former.every(isFormer))
    throw badIdentity(path, `"former_secrets" is no list of {"secret", "valid_until"}`);
}

function badIdentity(path: string, why: string): FinchError {
  return new FinchError(
    "corrupt",
    "control/bad-identity",
    `${path} does not say who this service is: ${why}; restore it from a backup, or move it away to begin with a new identity (every agent's token is refused then)`,
  );
}
