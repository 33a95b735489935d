/** The Pushgateway's grouping key: `/metrics/job/JOB/LABEL/VALUE…`, where `@base64` behind a name says that its value is base64 for URLs. */
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";

export interface GroupingKey {
  /** What tells groups apart. */
  readonly key: string;
  /** What every series of the group gets, `job` first; an empty value takes a label away. */
  readonly labels: readonly (readonly [name: string, value: string])[];
}

/** The key of a path as it came, not decoded. Throws a fault that names the part. */
export function parseGroupingKey(path: string): GroupingKey {
  const parts = path.split("/").slice(2);
  if (parts.length % 2 !== 0)
    throw bad(`the path has a label without a value: ${JSON.stringify(parts.at(-1))}`);
  const pairs = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const { name, isBase64 } = nameOf(decodePart(parts[i]!));
    const raw = decodePart(parts[i + 1]!);
    const value = isBase64 ? decodeBase64(raw) : raw;
    if (pairs.has(name)) throw bad(`label ${JSON.stringify(name)} is given twice`);
    if (name === "job" && value === "") throw bad("job name is required");
    pairs.set(name, value);
  }
  return { key: Labels.fromPairs([...pairs].flat()).key, labels: [...pairs] };
}

function nameOf(part: string): { readonly name: string; readonly isBase64: boolean } {
  const isBase64 = part.endsWith("@base64");
  const name = isBase64 ? part.slice(0, -"@base64".length) : part;
  if (name === "" || name === "__name__" || name.startsWith("__"))
    throw bad(`improper label name ${JSON.stringify(name)}`);
  return { name, isBase64 };
}

/** Base64 for URLs, padded or not; `=` alone is empty. */
function decodeBase64(text: string): string {
  if (!/^[A-Za-z0-9_+/-]*={0,2}$/.test(text))
    throw bad(`${JSON.stringify(text.slice(0, 100))} is not base64`);
  const bytes = Buffer.from(text, "base64url");
  const value = bytes.toString("utf8");
  if (!Buffer.from(value).equals(bytes)) throw bad("a base64 value is not valid UTF-8");
  return value;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw bad(`bad percent-encoding in the path: ${JSON.stringify(part)}`, error);
  }
}

function bad(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "server/bad-grouping-key", message, { cause });
}
