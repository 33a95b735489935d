/**
 * Passwords as scrypt keeps them (RFC 7914), in the form of the PHC string format: `$scrypt$ln=15,r=8,p=3$SALT$HASH`, unpadded base64. The cost stands beside each hash, so
 * that it can rise: a hash of a lower cost is made anew when its password is given the next time.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { assert, FinchError } from "@finch/runtime";
import { HASHES_WAITING_MAX, PASSWORD_BYTES_MAX } from "./people-limits.ts";

/** Memory is 128 · 2^`costLog2` · `blockSize` bytes, time grows with `parallelism` as well. */
export interface ScryptCost {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelism: number;
}

/** 32 MiB; one of the sets that OWASP's Password Storage Cheat Sheet holds equal. */
export const SCRYPT_COST: ScryptCost = { costLog2: 15, blockSize: 8, parallelism: 3 };

const SALT_BYTES = 16;
const HASH_BYTES = 32;
const FORM =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{2,})\$([A-Za-z0-9+/]{22,})$/;

interface ParsedHash {
  readonly cost: ScryptCost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Hashes and compares passwords one by one, for each takes memory and time on purpose. */
export class PasswordHasher {
  readonly cost: ScryptCost;
  /** Of a password nobody has: so a name that is not there takes as long as one that is. */
  readonly #decoy: string;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(cost: ScryptCost) {
    this.cost = cost;
    this.#decoy = formatHash({
      cost,
      salt: randomBytes(SALT_BYTES),
      hash: randomBytes(HASH_BYTES),
    });
  }

  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const { cost } = this;
    const hash = await this.#inTurn(() => derive(password, salt, { cost, length: HASH_BYTES }));
    return formatHash({ cost, salt, hash });
  }

  /** Whether `stored` is of this password; without one the answer is no, and takes as long. */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    const { cost, salt, hash } = parseHash(stored ?? this.#decoy);
    const found = await this.#inTurn(() => derive(password, salt, { cost, length: hash.length }));
    return timingSafeEqual(found, hash) && stored !== undefined;
  }

  /** Whether a hash was made at another cost than is asked for today. */
  isOutdated(stored: string): boolean {
    const { cost } = parseHash(stored);
    return (
      cost.costLog2 !== this.cost.costLog2 ||
      cost.blockSize !== this.cost.blockSize ||
      cost.parallelism !== this.cost.parallelism
    );
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= HASHES_WAITING_MAX)
      throw new FinchError(
        "limited",
        "control/sign-in-busy",
        "too many sign-ins at once; try again in some seconds",
        { retryAfterSeconds: 5 },
      );
    this.#waiting++;
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting--;
    }
  }
}

function derive(
  password: string,
  salt: Buffer,
  { cost, length }: { readonly cost: ScryptCost; readonly length: number },
): Promise<Buffer> {
  // The same password may be typed as composed or as decomposed characters (RFC 8265).
  const bytes = Buffer.from(password.normalize("NFC"));
  assert(bytes.length <= 2 * PASSWORD_BYTES_MAX, "passwords are bounded before they are hashed");
  const { costLog2, blockSize, parallelism } = cost;
  const parameters = {
    N: 2 ** costLog2,
    r: blockSize,
    p: parallelism,
    maxmem: 2 * 128 * 2 ** costLog2 * blockSize,
  };
  return new Promise((resolve, reject) => {
    scrypt(bytes, salt, length, parameters, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

function formatHash({ cost, salt, hash }: ParsedHash): string {
  const text = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "");
  return `$scrypt$ln=${cost.costLog2},r=${cost.blockSize},p=${cost.parallelism}$${text(salt)}$${text(hash)}`;
}

function parseHash(text: string): ParsedHash {
  const parts = FORM.exec(text);
  if (parts === null)
    throw new FinchError(
      "corrupt",
      "control/bad-password-hash",
      "the hash of a password in finch.db is damaged; set that password anew",
    );
  return {
    cost: {
      costLog2: Number(parts[1]),
      blockSize: Number(parts[2]),
      parallelism: Number(parts[3]),
    },
    salt: Buffer.from(parts[4]!, "base64"),
    hash: Buffer.from(parts[5]!, "base64"),
  };
}
