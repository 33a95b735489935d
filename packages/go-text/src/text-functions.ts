/** Functions of texts: Go's `strings` by their Go names, sprig's by theirs, patterns, base64. */
import { TEMPLATE_OUTPUT_MAX } from "./limits.ts";
import { asCount, asText, counted, regexpOf, texts } from "./template-arguments.ts";
import type { FunctionTable } from "./template-arguments.ts";
import { TemplateRunFault } from "./template-value.ts";

export const TEXT_FUNCTIONS: FunctionTable = {
  ToLower: texts(1, (text) => text!.toLowerCase()),
  ToUpper: texts(1, (text) => text!.toUpperCase()),
  lower: texts(1, (text) => text!.toLowerCase()),
  upper: texts(1, (text) => text!.toUpperCase()),
  title: texts(1, (text) =>
    text!.replaceAll(
      // Between ASCII characters all but letters, digits and underscores part words; of others only blanks do.
      /(^|(?!\w)\p{ASCII}|\s)(\p{L})/gu,
      (_, before: string, letter: string) => before + letter.toUpperCase(),
    ),
  ),
  Replace: counted(4, (args) =>
    replaceText(asText(args[0]), asText(args[1]), asText(args[2]), asCount(args[3])),
  ),
  replace: texts(3, (from, to, text) => replaceText(text!, from!, to!, -1)),
  Trim: texts(2, (text, set) => trimSet(text!, set!, "both")),
  TrimLeft: texts(2, (text, set) => trimSet(text!, set!, "left")),
  TrimRight: texts(2, (text, set) => trimSet(text!, set!, "right")),
  TrimPrefix: texts(2, (text, prefix) => withoutPrefix(prefix!, text!)),
  TrimSuffix: texts(2, (text, suffix) => withoutSuffix(suffix!, text!)),
  TrimSpace: texts(1, (text) => text!.trim()),
  trim: texts(1, (text) => text!.trim()),
  trimAll: texts(2, (set, text) => trimSet(text!, set!, "both")),
  trimPrefix: texts(2, (prefix, text) => withoutPrefix(prefix!, text!)),
  trimSuffix: texts(2, (suffix, text) => withoutSuffix(suffix!, text!)),
  contains: texts(2, (part, text) => text!.includes(part!)),
  hasPrefix: texts(2, (prefix, text) => text!.startsWith(prefix!)),
  hasSuffix: texts(2, (suffix, text) => text!.endsWith(suffix!)),
  trunc: counted(2, (args) => trunc(asCount(args[0]), asText(args[1]))),
  substr: counted(3, (args) => substr(asCount(args[0]), asCount(args[1]), asText(args[2]))),
  indent: counted(2, (args) => indent(asCount(args[0]), asText(args[1]))),
  nindent: counted(2, (args) => `\n${indent(asCount(args[0]), asText(args[1]))}`),
  repeat: counted(2, (args) => repeatText(asCount(args[0]), asText(args[1]))),
  alignLeft: counted(2, (args) => align(asCount(args[0]), asText(args[1]), true)),
  alignRight: counted(2, (args) => align(asCount(args[0]), asText(args[1]), false)),
  regexReplaceAll: texts(3, (pattern, text, to) => regexpOf(pattern!).replaceAll(text!, to!)),
  regexReplaceAllLiteral: texts(3, (pattern, text, to) =>
    regexpOf(pattern!).replaceAll(text!, to!.replaceAll("$", "$$$$")),
  ),
  b64enc: texts(1, (text) => encodeBase64(text!)),
  b64dec: texts(1, (text) => decodeBase64(text!)),
};

/** Trims characters of `cutset` from the start, the end or both. */
function trimSet(text: string, cutset: string, sides: "left" | "right" | "both"): string {
  const characters = Array.from(text);
  const set = new Set(cutset);
  let from = 0;
  let to = characters.length;
  if (sides !== "right") while (from < to && set.has(characters[from]!)) from++;
  if (sides !== "left") while (to > from && set.has(characters[to - 1]!)) to--;
  return characters.slice(from, to).join("");
}

function repeatText(count: number, text: string): string {
  if (count < 0) throw new TemplateRunFault("strings: negative Repeat count");
  refuseLong("repeat", count * text.length);
  return text.repeat(count);
}

/** Refuses a result before it is built: what is only checked afterwards has filled the memory already. */
function refuseLong(name: string, length: number): void {
  if (length > TEMPLATE_OUTPUT_MAX) {
    throw new TemplateRunFault(`${name} makes more than ${TEMPLATE_OUTPUT_MAX} characters`);
  }
}

function countOf(text: string, part: string): number {
  let count = 0;
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) count++;
  return count;
}

function replaceText(text: string, from: string, to: string, count: number): string {
  if (to.length > from.length) {
    const found = from === "" ? text.length + 1 : countOf(text, from);
    const replaced = count < 0 ? found : Math.min(found, count);
    refuseLong("replace", text.length + replaced * (to.length - from.length));
  }
  if (count < 0) return text.replaceAll(from, () => to);
  const parts = text.split(from);
  const head = parts.slice(0, count + 1).join(to);
  return parts.length > count + 1 ? `${head}${from}${parts.slice(count + 1).join(from)}` : head;
}

function trunc(count: number, text: string): string {
  const bytes = new TextEncoder().encode(text);
  if (count < 0) return bytes.length + count > 0 ? decode(bytes.subarray(count)) : text;
  return bytes.length > count ? decode(bytes.subarray(0, count)) : text;
}

function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function substr(from: number, to: number, text: string): string {
  const bytes = new TextEncoder().encode(text);
  const { length } = bytes;
  const start = Math.max(from, 0);
  const end = from >= 0 && (to < 0 || to > length) ? length : to;
  if (end < start || end > length) {
    throw new TemplateRunFault(`runtime error: slice bounds out of range [${start}:${end}]`);
  }
  return decode(bytes.subarray(start, end));
}

function indent(count: number, text: string): string {
  const margin = repeatText(count, " ");
  refuseLong("indent", text.length + countOf(text, "\n") * count);
  return margin + text.replaceAll("\n", `\n${margin}`);
}

function align(count: number, text: string, left: boolean): string {
  const characters = Array.from(text);
  const width = Math.min(count, TEMPLATE_OUTPUT_MAX);
  if (width < 0 || characters.length === width) return text;
  if (characters.length > width) {
    return (left ? characters.slice(0, width) : characters.slice(characters.length - width)).join(
      "",
    );
  }
  const blank = " ".repeat(width - characters.length);
  return left ? text + blank : blank + text;
}

function encodeBase64(text: string): string {
  let binary = "";
  for (const byte of new TextEncoder().encode(text)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Bad input answers the fault's text, as sprig's function does. */
function decodeBase64(text: string): string {
  const bad = text.replace(/={1,2}$/, "").search(/[^A-Za-z0-9+/\r\n]/);
  const lone = text.length % 4 === 1 ? text.length - 1 : -1;
  const at = bad < 0 ? lone : bad;
  if (at >= 0) return `illegal base64 data at input byte ${at}`;
  return decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
}

function withoutPrefix(prefix: string, text: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function withoutSuffix(suffix: string, text: string): string {
  return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}
