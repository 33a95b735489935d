/** Writes what came out into the file of a test, in place of what it expected. The rest of the file stays as it is. */
import { isMap, isNode, isScalar, parseDocument } from "yaml";

/** `section`: the whole of `expect: …`, ending with a line break. */
export function replaceExpected(text: string, section: string): string {
  const { contents } = parseDocument(text);
  const pairs = isMap(contents) ? contents.items : [];
  const pair = pairs.find(({ key }) => isScalar(key) && key.value === "expect");
  const start = isNode(pair?.key) ? pair.key.range?.[0] : undefined;
  if (pair === undefined || start === undefined) return `${text.replace(/\n*$/, "\n\n")}${section}`;
  const end = isNode(pair.value)
    ? (pair.value.range?.[1] ?? text.length)
    : start + "expect:".length;
  const rest = text.slice(end).replace(/^[ \t]*\n/, "");
  return `${text.slice(0, start)}${section}${rest}`;
}
