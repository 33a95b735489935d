/** SCRAM-SHA-256 (RFC 5802 and 7677), the client's side, without channel binding: how PostgreSQL checks passwords since version 10. */
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

/** A server may ask for any work; this one bounds it. */
const ITERATIONS_MAX = 1_000_000;

export class ScramClient {
  readonly #password: string;
  readonly #nonce: string;
  #serverSignature: Buffer | undefined;

  constructor(password: string, nonce = randomBytes(18).toString("base64")) {
    this.#password = password;
    this.#nonce = nonce;
  }

  /** The user's name is told at the start of the connection; here it stays empty. */
  first(): string {
    return `n,,${this.#firstBare()}`;
  }

  #firstBare(): string {
    return `n=,r=${this.#nonce}`;
  }

  /** The answer to the server's first message. */
  async final(serverFirst: string): Promise<string> {
    const fields = new Map(serverFirst.split(",").map((part) => [part[0] ?? "", part.slice(2)]));
    const nonce = fields.get("r") ?? "";
    const salt = Buffer.from(fields.get("s") ?? "", "base64");
    const iterations = Number(fields.get("i"));
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length)
      throw new Error("the server's nonce does not continue ours");
    if (!(iterations > 0 && iterations <= ITERATIONS_MAX))
      throw new Error(`the server asks for ${iterations} iterations`);
    const password = this.#password.normalize("NFKC");
    const salted = await promisify(pbkdf2)(password, salt, iterations, 32, "sha256");
    const clientKey = hmac(salted, "Client Key");
    const withoutProof = `c=biws,r=${nonce}`;
    const message = `${this.#firstBare()},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash("sha256").update(clientKey).digest(), message);
    const proof = clientKey.map((byte, index) => byte ^ signature[index]!);
    this.#serverSignature = hmac(hmac(salted, "Server Key"), message);
    return `${withoutProof},p=${Buffer.from(proof).toString("base64")}`;
  }

  /** Throws when the server does not know the password either. */
  verify(serverFinal: string): void {
    const told = Buffer.from(/^v=(.*)$/.exec(serverFinal)?.[1] ?? "", "base64");
    const wanted = this.#serverSignature;
    if (wanted === undefined || told.length !== wanted.length || !timingSafeEqual(told, wanted))
      throw new Error("the server's signature is wrong");
  }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
