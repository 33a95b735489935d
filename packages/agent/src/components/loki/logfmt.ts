/** Reads logfmt (`key=value key="quoted value" flag`) as go-logfmt does: pairs in order, a key without `=` has an empty value. */

/** Calls `take` for every pair; malformed pairs are skipped. */
export function readLogfmt(line: string, take: (key: string, value: string) => void): void {
  let at = 0;
  while (at < line.length) {
    while (at < line.length && line.charCodeAt(at) <= 0x20) at++;
    const keyStart = at;
    while (at < line.length && line.charCodeAt(at) > 0x20 && line[at] !== "=" && line[at] !== '"')
      at++;
    const key = line.slice(keyStart, at);
    if (line[at] !== "=") {
      if (key !== "") take(key, "");
      if (line[at] === '"') at++;
      continue;
    }
    at++;
    if (line[at] === '"') {
      const end = closingQuote(line, at + 1);
      if (key !== "" && end !== -1) take(key, unquote(line.slice(at, end + 1)));
      at = end === -1 ? line.length : end + 1;
      continue;
    }
    const valueStart = at;
    while (at < line.length && line.charCodeAt(at) > 0x20) at++;
    if (key !== "") take(key, line.slice(valueStart, at));
  }
}

function closingQuote(line: string, from: number): number {
  for (let i = from; i < line.length; i++) {
    if (line[i] === "\\") i++;
    else if (line[i] === '"') return i;
  }
  return -1;
}

function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1);
  if (!inner.includes("\\")) return inner;
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return inner;
  }
}
