/** Texts in double quotes, escaped as Go does: what messages and printed queries show. */

/** A string in double quotes with the escapes of Go; lone surrogates stand for raw bytes (see `unquoteString`). */
export function quoteString(value: string): string {
  let out = '"';
  for (const c of value) {
    const code = c.codePointAt(0)!;
    if (c === '"' || c === "\\") out += `\\${c}`;
    else if (c === "\n") out += "\\n";
    else if (c === "\t") out += "\\t";
    else if (c === "\r") out += "\\r";
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (code >= 0xdc80 && code <= 0xdcff) out += `\\x${(code - 0xdc00).toString(16)}`;
    else out += c;
  }
  return `${out}"`;
}
