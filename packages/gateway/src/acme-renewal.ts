/**
 * Keeps a certificate from an ACME authority: takes the one on disk while it is good, fetches another when a third of its life is left, and waits longer after each
 * failure. The account's key is made once and kept.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describeError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { AcmeChallenges } from "./acme-challenges.ts";
import type { AcmeChallengeKind, OrderOptions } from "./acme-order.ts";
import { readCertificate } from "./certificate.ts";
import type { ServerCertificate } from "./certificate.ts";
import { readOwnCertificate, writeOwnCertificate, writeWhole } from "./certificate-files.ts";

export interface AcmeOptions {
  readonly directoryUrl: string;
  readonly email: string | undefined;
  readonly serverAuthorities: string | undefined;
  /** Ways to show that a name is ours, tried in turn. */
  readonly kinds: readonly AcmeChallengeKind[];
  /** After the first failure; twice as long after each further one. */
  readonly retryMs: number;
}

export const DEFAULT_ACME_RETRY_MS = 300_000;
/** Authorities let an account fail some times an hour. */
const RETRY_MS_MAX = 6 * 3_600_000;
/** Clocks are set, and machines sleep: the end is looked at this often at least. */
const LOOK_MS_MAX = 3_600_000;

export interface RenewalOptions {
  readonly acme: AcmeOptions;
  /** Of the gateway's certificates. */
  readonly directory: string;
  readonly names: readonly string[];
  readonly challenges: AcmeChallenges;
  readonly use: (certificate: ServerCertificate) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export class AcmeRenewal {
  readonly #options: RenewalOptions;
  readonly #stopping = new AbortController();
  #certificate: ServerCertificate | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  /** The certificate on disk, unless it has ended or is not for every name. */
  async load(): Promise<ServerCertificate | undefined> {
    const { clock, names } = this.#options;
    const found = await readOwnCertificate(this.#paths);
    const isGood =
      found !== undefined &&
      found.notAfterMs > clock.nowMs() &&
      names.every((name) => found.names.includes(name));
    this.#certificate = isGood ? found : undefined;
    return this.#certificate;
  }

  start(): void {
    this.#wait(this.#dueInMs());
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stopping.abort(new DOMException("the gateway closes", "AbortError"));
    await this.#running;
  }

  get #paths() {
    const { directory } = this.#options;
    return { certificate: join(directory, "acme.pem"), key: join(directory, "acme.key") };
  }

  /** Until a third of the life is left. */
  #dueInMs(): number {
    const now = this.#certificate;
    if (now === undefined) return 0;
    const life = now.notAfterMs - now.notBeforeMs;
    return now.notAfterMs - life / 3 - this.#options.clock.nowMs();
  }

  #wait(ms: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#timer = setTimeout(
      () => {
        this.#running = this.#look();
      },
      Math.max(0, Math.min(ms, LOOK_MS_MAX)),
    );
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const dueMs = this.#dueInMs();
    if (dueMs > 0) {
      this.#wait(dueMs);
      return;
    }
    const { acme, log, names, use } = this.#options;
    const kind = acme.kinds[this.#failures % acme.kinds.length]!;
    try {
      const certificate = await this.#order(kind);
      this.#certificate = certificate;
      this.#failures = 0;
      use(certificate);
      const until = new Date(certificate.notAfterMs).toISOString();
      log.info("got a certificate", { names: names.join(", "), from: acme.directoryUrl, until });
      this.#wait(this.#dueInMs());
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const retryMs = Math.min(RETRY_MS_MAX, acme.retryMs * 2 ** this.#failures);
      this.#failures++;
      log.error("no certificate yet; the gateway goes on with the one it has", {
        error: describeError(error),
        again_in_seconds: Math.round(retryMs / 1000),
      });
      this.#wait(retryMs);
    }
  }

  async #order(kind: AcmeChallengeKind): Promise<ServerCertificate> {
    const { acme, challenges, names } = this.#options;
    const { makeAcmeKey, orderCertificate } = await import("./acme-order.ts");
    const order: OrderOptions = {
      ...acme,
      names,
      kind,
      challenges,
      accountKey: await this.#accountKey(makeAcmeKey),
      signal: this.#stopping.signal,
    };
    const pair = await orderCertificate(order);
    const certificate = readCertificate(pair.cert, pair.key, acme.directoryUrl);
    await writeOwnCertificate(this.#paths, pair);
    return certificate;
  }

  async #accountKey(make: () => Promise<string>): Promise<string> {
    const path = join(this.#options.directory, "acme-account.key");
    try {
      return await readFile(path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    const key = await make();
    await writeWhole(path, key, 0o600);
    return key;
  }
}
