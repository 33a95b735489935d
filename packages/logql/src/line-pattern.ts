/** The `<name>` patterns of the `pattern` parser and of the `|>` filters: literals and captures in turns, matched without backtracking. */

export type PatternPart =
  | { readonly kind: "literal"; readonly text: string }
  /** `name` is undefined for `<_>`. */
  | { readonly kind: "capture"; readonly name: string | undefined };

export class PatternFault extends Error {
  override readonly name = "PatternFault";
}

const CAPTURE = /<([A-Za-z_][A-Za-z0-9_]*)>/g;

function splitPattern(text: string): readonly PatternPart[] {
  const parts: PatternPart[] = [];
  let end = 0;
  for (const match of text.matchAll(CAPTURE)) {
    if (match.index > end) parts.push({ kind: "literal", text: text.slice(end, match.index) });
    parts.push({ kind: "capture", name: match[1] === "_" ? undefined : match[1] });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ kind: "literal", text: text.slice(end) });
  return parts;
}

function checkConsecutive(parts: readonly PatternPart[]): void {
  for (const [index, part] of parts.entries()) {
    const next = parts[index + 1];
    if (part.kind !== "capture" || next?.kind !== "capture") continue;
    const pair = `<${part.name ?? "_"}><${next.name ?? "_"}>`;
    throw new PatternFault(`found consecutive capture '${pair}': invalid expression`);
  }
}

/** A pattern of the `pattern` stage: it must capture something, and no name twice. */
export function parseCapturePattern(text: string): readonly PatternPart[] {
  const parts = splitPattern(text);
  const names = parts.flatMap((part) => (part.kind === "capture" && part.name ? [part.name] : []));
  if (names.length === 0) throw new PatternFault("at least one capture is required");
  checkConsecutive(parts);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) {
      throw new PatternFault(`duplicate capture name (${name}): invalid expression`);
    }
  }
  return parts;
}

/** A pattern of a line filter: only `<_>`. */
export function parseFilterPattern(text: string): readonly PatternPart[] {
  const parts = splitPattern(text);
  checkConsecutive(parts);
  for (const part of parts) {
    if (part.kind !== "capture" || part.name === undefined) continue;
    throw new PatternFault(`named captures are not allowed: found '<${part.name}>'`);
  }
  return parts;
}

/** Whether a line fits a filter pattern: free at the start, every wildcard takes a character at least, bound at the end. */
export function matchesPattern(parts: readonly PatternPart[], line: string): boolean {
  if (line === "" || parts.length === 0) return line === "" && parts.length === 0;
  let offset = 0;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i]!;
    if (part.kind === "capture") continue;
    const found = line.indexOf(part.text, offset);
    if (found < 0 || (i !== 0 && found === offset)) return false;
    offset = found + part.text.length;
  }
  const open = parts[parts.length - 1]!.kind === "capture";
  return open === offset < line.length;
}

/** Hands the named captures of a line to `found`; a literal that is missing gives the rest of the line to the capture before it. */
export function extractPattern(
  parts: readonly PatternPart[],
  line: string,
  found: (name: string, value: string) => void,
): void {
  if (line === "") return;
  let offset = 0;
  let i = 0;
  const first = parts[0]!;
  if (first.kind === "literal") {
    if (!line.startsWith(first.text)) return;
    offset = first.text.length;
    i = 1;
  }
  for (; i < parts.length; i += 2) {
    const capture = parts[i]!;
    const literal = parts[i + 1];
    const end = literal?.kind === "literal" ? line.indexOf(literal.text, offset) : -1;
    if (capture.kind === "capture" && capture.name !== undefined) {
      found(capture.name, line.slice(offset, end < 0 ? undefined : end));
    }
    if (end < 0 || literal?.kind !== "literal") return;
    offset = end + literal.text.length;
  }
}
