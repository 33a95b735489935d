/** Paths of `json label="a.b[0][\"c d\"]"`: fields and array indexes. */

export type JsonPath = readonly (string | number)[];

export class PathFault extends Error {
  override readonly name = "PathFault";
}

const STEP =
  /[ \t\n]*(?:(\.?)[ \t\n]*([A-Za-z_]\w*)|\[\s*(\d+)\s*\]|\[\s*"((?:[^"\\]|\\.)*)"\s*\])[ \t\n]*/y;

/** Parses a path; a text that is none throws a {@link PathFault}. */
export function parseJsonPath(text: string): JsonPath {
  const path: (string | number)[] = [];
  let offset = 0;
  while (offset < text.length) {
    STEP.lastIndex = offset;
    const match = STEP.exec(text);
    const [whole, dot, field, index, key] = match ?? [];
    // A field needs a dot before it exactly when something stands before it.
    if (whole === undefined || (field !== undefined && (dot === ".") !== offset > 0)) {
      throw new PathFault(`cannot parse expression [${text}]: syntax error at ${offset + 1}`);
    }
    if (field !== undefined) path.push(field);
    else if (index !== undefined) path.push(Number(index));
    else path.push(key!.replaceAll(/\\(.)/g, "$1"));
    offset += whole.length;
  }
  if (path.length === 0) throw new PathFault("cannot parse expression []: it is empty");
  return path;
}
