/**
 * Slows down who guesses passwords: so many failures within a time, of one account or from one address, and both the right and the wrong password are refused for a
 * while. Names that are not there are counted as others are, so that a refusal tells nothing. In memory: nobody who guesses can restart Finch, and a
 * failure costs no fsync.
 */
import { isIPv6 } from "node:net";
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";

export interface LockOutLimits {
  /** Failures of one account until it is locked. */
  readonly accountFailuresMax: number;
  /** Failures from one address, whatever the accounts; more, for many people may share one. */
  readonly addressFailuresMax: number;
  /** Failures count this long, and a lock lasts as long after the last one. */
  readonly windowMs: number;
  /** Accounts, and addresses, with failures that are remembered. */
  readonly keysMax: number;
}

export const DEFAULT_LOCK_OUT_LIMITS: LockOutLimits = {
  accountFailuresMax: 10,
  addressFailuresMax: 50,
  windowMs: 15 * 60_000,
  keysMax: 10_000,
};

interface Failures {
  count: number;
  lastMs: number;
}

/** A try to sign in; failed until it is told otherwise, so that many at once do not get around the count. */
export interface SignInAttempt {
  /** Whether one more failure locks the account or the address, or this one has. */
  readonly locks: boolean;
  succeed(): void;
}

export class LockOut {
  readonly #clock: Clock;
  readonly #limits: LockOutLimits;
  readonly #accounts = new Map<string, Failures>();
  readonly #addresses = new Map<string, Failures>();
  #refusedTotal = 0;

  constructor(clock: Clock, limits: LockOutLimits = DEFAULT_LOCK_OUT_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get refusedTotal(): number {
    return this.#refusedTotal;
  }

  /** Begins a try; throws a `control/locked-out` while there were too many failures. */
  begin(account: string, address: string): SignInAttempt {
    const { accountFailuresMax, addressFailuresMax } = this.#limits;
    const addressKey = networkOf(address);
    const ofAddress = this.#recent(this.#addresses, addressKey, addressFailuresMax);
    const ofAccount = this.#recent(this.#accounts, account, accountFailuresMax);
    this.#count(ofAddress);
    this.#count(ofAccount);
    return {
      locks: ofAccount.count >= accountFailuresMax || ofAddress.count >= addressFailuresMax,
      succeed: () => {
        this.#accounts.delete(account);
        ofAddress.count--;
        if (ofAddress.count <= 0) this.#addresses.delete(addressKey);
      },
    };
  }

  /** An administrator lets somebody in again. */
  unlock(account: string): void {
    this.#accounts.delete(account);
  }

  /** The failures of a key, which are not too many. */
  #recent(kept: Map<string, Failures>, key: string, failuresMax: number): Failures {
    const { windowMs } = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    const known = kept.get(key);
    const waitMs = known === undefined ? 0 : known.lastMs + windowMs - nowMs;
    if (known !== undefined && waitMs > 0) {
      if (known.count >= failuresMax) {
        this.#refusedTotal++;
        throw lockedOut(waitMs);
      }
      return known;
    }
    kept.delete(key);
    this.#makeRoom(kept, failuresMax);
    const fresh = { count: 0, lastMs: nowMs };
    kept.set(key, fresh);
    return fresh;
  }

  #count(failures: Failures): void {
    failures.count++;
    failures.lastMs = this.#clock.monotonicMs();
  }

  /** Locks stay before mere failures; of each the oldest goes. */
  #makeRoom(kept: Map<string, Failures>, failuresMax: number): void {
    if (kept.size < this.#limits.keysMax) return;
    let oldest: string | undefined;
    for (const [key, { count }] of kept) {
      oldest ??= key;
      if (count >= failuresMax) continue;
      kept.delete(key);
      return;
    }
    if (oldest !== undefined) kept.delete(oldest);
  }
}

/** An IPv4 address, or the first half of an IPv6 address: the other half is whoever has it to choose. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  // The URL parser writes an address in its shortest form, by which parts are left out once at the most.
  const short = new URL(`http://[${address.split("%")[0]}]/`).hostname.slice(1, -1);
  const [head = "", tail] = short.split("::");
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<string>(zeros).fill("0"), ...last].slice(0, 4).join(":");
}

function lockedOut(waitMs: number): FinchError {
  const minutes = Math.ceil(waitMs / 60_000);
  return new FinchError(
    "limited",
    "control/locked-out",
    `too many sign-ins failed; try again in ${minutes} ${minutes === 1 ? "minute" : "minutes"}`,
    { retryAfterSeconds: Math.ceil(waitMs / 1000) },
  );
}
