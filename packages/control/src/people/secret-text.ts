/** Random texts that stand for somebody, and the hashes that are kept in their place. They hold 256 random bits, so that a fast hash hides them. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const SECRET_BYTES = 32;

/** 43 characters of the URL-safe alphabet after `prefix`. */
export function makeSecretText(prefix: string): string {
  return prefix + randomBytes(SECRET_BYTES).toString("base64url");
}

/** What is kept of a secret text. */
export function hashSecretText(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/** A text that only who knows `secret` can make, another one for each purpose. */
export function deriveText(secret: string, purpose: string): string {
  return createHmac("sha256", secret).update(purpose).digest("base64url");
}

/** Compares in a time that does not tell where texts differ. */
export function isSameText(a: string, b: string): boolean {
  return timingSafeEqual(hashSecretText(a), hashSecretText(b));
}
