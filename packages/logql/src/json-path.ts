/** Paths of `json label="a.b[0][\"c d\"]"`: fields and array indexes. */

export type JsonPath = readonly (string | number)[];

export class PathFault extends Error {
  override readonly name = "PathFault";
}

const STEP = /\.?([A-Za-z_][\w-]*)|\[\s*(\d+)\s*\]|\[\s*"((?:[^"\\]|\\.)*)"\s*\]/y;

/** Parses a path; a text that is none throws a {@link PathFault}. */
export function parseJsonPath(text: string): JsonPath {
  const path: (string | number)[] = [];
  let offset = 0;
  while (offset < text.length) {
    STEP.lastIndex = offset;
    const match = STEP.exec(text);
    const [whole, field, index, key] = match ?? [];
    const dotted = whole?.startsWith(".") ?? false;
    // A field needs a dot before it exactly when something stands before it.
    if (whole === undefined || (field !== undefined && dotted !== offset > 0)) {
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
