/** What a new password must be: long, and none of those that are tried first. Nothing is asked about kinds of characters, which makes passwords worse (NIST SP 800-63B). */
import { FinchError } from "@finch/runtime";
import { PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN } from "./people-limits.ts";

/** Of ten characters and more, as lists of leaked passwords have them at the top; in lower case. */
const COMMON: ReadonlySet<string> = new Set([
  "0123456789",
  "1234567890",
  "0987654321",
  "12345678910",
  "123456789a",
  "1q2w3e4r5t",
  "1qaz2wsx3edc",
  "adminadmin",
  "administrator",
  "changeme123",
  "iloveyou123",
  "password01",
  "password12",
  "password123",
  "password1234",
  "passwordpassword",
  "qwerty1234",
  "qwerty12345",
  "qwertyuiop",
  "welcome123",
]);

/** Throws a `control/weak-password` that says what is wrong. */
export function checkNewPassword(password: string, userName: string): void {
  const characters = Array.from(password).length;
  const bytes = Buffer.byteLength(password);
  const lower = password.toLowerCase();
  if (characters < PASSWORD_CHARS_MIN)
    throw weak(`the password is too short: give ${PASSWORD_CHARS_MIN} characters or more`);
  if (bytes > PASSWORD_BYTES_MAX)
    throw weak(`the password is too long: ${PASSWORD_BYTES_MAX} bytes are the most`);
  if (new Set(lower).size < 4) throw weak("the password repeats the same few characters");
  if (COMMON.has(lower)) throw weak("the password is one of those that are tried first");
  if (isNameAgain(lower, userName.toLowerCase()))
    throw weak("the password is little more than the user's name or finch");
}

/** The name, or the name of the program, with less than six characters around it. */
function isNameAgain(password: string, userName: string): boolean {
  return [userName, "finch"].some(
    (name) => name.length > 3 && password.replaceAll(name, "").length < 6,
  );
}

function weak(message: string): FinchError {
  return new FinchError("invalid", "control/weak-password", message);
}
