/** Which addresses are taken at all: paths that mean the same to the gateway, to what it hands them to, and to whoever decodes them once more. */

/** How often a path is decoded in search of what somebody further on could find in it. */
const DECODINGS_MAX = 3;
const PATH_CHARS_MAX = 8192;
const BACKSLASH = 0x5c;

/** What is wrong with `target` (of the request line, with its query), or undefined. */
export function badTarget(target: string): string | undefined {
  if (!target.startsWith("/")) return "the target of a request is a path that begins with /";
  const path = pathOf(target);
  if (path.length > PATH_CHARS_MAX) return `the path is longer than ${PATH_CHARS_MAX} characters`;
  let text = path;
  for (let round = 0; round <= DECODINGS_MAX; round++) {
    const fault = badPath(text);
    if (fault !== undefined) return fault;
    if (!text.includes("%")) return undefined;
    let decoded: string;
    try {
      decoded = decodeURIComponent(text);
    } catch {
      // What cannot be decoded at first is malformed; what was decoded once and holds a percent sign is a name with one.
      return round === 0 ? "the path has a bad percent-encoding" : undefined;
    }
    if (decoded === text) return undefined;
    text = decoded;
  }
  return "the path is percent-encoded over and over";
}

/** The path of a target, without its query. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return end < 0 ? target : target.slice(0, end);
}

function badPath(path: string): string | undefined {
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at);
    if (code < 0x20 || code === 0x7f || code === BACKSLASH)
      return "the path has a backslash or a control character";
  }
  for (const segment of path.split("/")) {
    // `;` begins parameters of a segment for some.
    const name = segment.split(";")[0]!;
    if (name === "." || name === "..") return "the path has segments of dots";
  }
  return path.startsWith("//") ? "the path begins with two slashes" : undefined;
}
