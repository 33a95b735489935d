/**
 * Ways to sign in to MySQL and MariaDB: what is answered to the server's random bytes.
 * @see https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods.html
 */
import { constants, createHash, publicEncrypt } from "node:crypto";

const NONCE_BYTES = 20;

/** The first answer of a plugin; undefined for a plugin that is not known. */
export function authenticate(
  plugin: string,
  password: string,
  nonce: Uint8Array,
): Uint8Array | undefined {
  const random = nonce.subarray(0, NONCE_BYTES);
  switch (plugin) {
    case "mysql_native_password":
      return password === "" ? EMPTY : scramble("sha1", password, random, { nonceFirst: true });
    case "caching_sha2_password":
      return password === "" ? EMPTY : scramble("sha256", password, random, { nonceFirst: false });
    case "auth_socket":
    case "unix_socket":
      // The system has told the server who asks.
      return EMPTY;
    case "mysql_clear_password":
      return terminated(password);
    default:
      return undefined;
  }
}

const EMPTY = new Uint8Array(0);

/** Of `H(p) xor H(nonce, H(H(p)))`, or with both parts in the other order. */
function scramble(
  algorithm: "sha1" | "sha256",
  password: string,
  nonce: Uint8Array,
  { nonceFirst }: { readonly nonceFirst: boolean },
): Uint8Array {
  const hash = (...parts: readonly Uint8Array[]) => {
    const state = createHash(algorithm);
    for (const part of parts) state.update(part);
    return state.digest();
  };
  const once = hash(Buffer.from(password));
  const twice = hash(once);
  const mask = nonceFirst ? hash(nonce, twice) : hash(twice, nonce);
  return once.map((byte, index) => byte ^ mask[index]!);
}

/** The password with a zero behind it. */
export function terminated(password: string): Uint8Array {
  return Buffer.concat([Buffer.from(password), Buffer.of(0)]);
}

/** The password for a server that does not know it yet, over a connection without TLS: with the server's own RSA key. */
export function encryptPassword(password: string, nonce: Uint8Array, keyPem: string): Uint8Array {
  const random = nonce.subarray(0, NONCE_BYTES);
  const masked = terminated(password).map((byte, index) => byte ^ random[index % random.length]!);
  return publicEncrypt(
    { key: keyPem, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
    masked,
  );
}
