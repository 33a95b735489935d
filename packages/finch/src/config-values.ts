/** Reads the texts of configuration values; each throws a FinchError that says what would be right. */
import { parseBytes } from "@finch/model";
import { FinchError } from "@finch/runtime";

export function badValue(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "finch/bad-config", message, { cause });
}

export function oneOf<Value extends string>(text: string, values: readonly Value[]): Value {
  const found = values.find((value) => value === text);
  if (found === undefined) throw badValue(`"${text}" is not one of ${values.join(", ")}`);
  return found;
}

/** A whole number from `least` on. */
export function parseCount(text: string, least: number): number {
  const count = Number(text);
  if (!/^\d{1,15}$/.test(text) || count < least)
    throw badValue(`"${text}" is not right: give a whole number from ${least} on`);
  return count;
}

/** A size from `least` to `most` bytes. */
export function parseSize(
  text: string,
  { least, most }: { readonly least: number; readonly most: number },
): number {
  let bytes: number;
  try {
    bytes = parseBytes(text);
  } catch (error) {
    throw badValue(`"${text}" is no size: write it such as 512KiB or 32MiB`, error);
  }
  if (bytes < least || bytes > most)
    throw badValue(`${text} is out of range: give ${least} to ${most} bytes`);
  return bytes;
}

export function parseSwitch(text: string): boolean {
  if (["on", "true", "yes"].includes(text)) return true;
  if (["off", "false", "no"].includes(text)) return false;
  throw badValue(`"${text}" is neither on nor off`);
}

/** Names with commas between them, or `none`. */
export function parseNames(text: string): readonly string[] {
  if (text.trim() === "none") return [];
  return text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
}
