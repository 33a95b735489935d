/** `ip("…")`: addresses, networks and ranges, IPv4 and IPv6, searched in any text. Addresses are compared as big integers with their family. */

export interface IpRange {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

interface Address {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** Reads an address, `address/bits` or `from-to`; undefined when it is none of them. */
export function parseIpPattern(pattern: string): IpRange | undefined {
  const dash = pattern.indexOf("-");
  if (dash > 0) {
    const from = parseAddress(pattern.slice(0, dash));
    const to = parseAddress(pattern.slice(dash + 1));
    if (from === undefined || to === undefined || from.version !== to.version) return undefined;
    if (from.value > to.value) return undefined;
    return { version: from.version, first: from.value, last: to.value };
  }
  const slash = pattern.indexOf("/");
  const address = parseAddress(slash < 0 ? pattern : pattern.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { version: address.version, first: address.value, last: address.value };
  const width = address.version === 4 ? 32 : 128;
  const text = pattern.slice(slash + 1);
  if (!/^(?:0|[1-9]\d{0,2})$/.test(text) || Number(text) > width) return undefined;
  const size = 1n << BigInt(width - Number(text));
  const first = (address.value / size) * size;
  return { version: address.version, first, last: first + size - 1n };
}

/** Whether any address in the text lies in the range. */
export function containsIp(text: string, range: IpRange): boolean {
  for (let i = 0; i < text.length; i++) {
    const charset = looksLikeV4(text, i) ? V4 : looksLikeV6(text, i) ? V6 : undefined;
    if (charset === undefined) continue;
    charset.lastIndex = i;
    const candidate = charset.exec(text)![0];
    const address = parseAddress(candidate);
    if (
      address !== undefined &&
      address.version === range.version &&
      address.value >= range.first &&
      address.value <= range.last
    ) {
      return true;
    }
    i += candidate.length;
  }
  return false;
}

const V4 = /[\d.]+/y;
const V6 = /[\da-fA-F:.]+/y;

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isHex(code: number): boolean {
  return isDigit(code) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
}

/** A digit, and a dot among the three characters behind it. */
function looksLikeV4(text: string, at: number): boolean {
  if (at + 3 >= text.length || !isDigit(text.charCodeAt(at))) return false;
  for (let i = 1; i < 4; i++) if (text.charCodeAt(at + i) === 46) return true;
  return false;
}

/** Up to four hexadecimal digits and a colon, or two colons and a digit. */
function looksLikeV6(text: string, at: number): boolean {
  for (let i = 0; i < 5; i++) {
    const code = text.charCodeAt(at + i);
    if (code === 58 && i === 0)
      return text.charCodeAt(at + 1) === 58 && isHex(text.charCodeAt(at + 2));
    if (code === 58) return true;
    if (!isHex(code)) return false;
  }
  return false;
}

function parseAddress(text: string): Address | undefined {
  if (!text.includes(":")) {
    const value = parseV4(text);
    return value === undefined ? undefined : { version: 4, value };
  }
  const value = parseV6(text);
  return value === undefined ? undefined : { version: 6, value };
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256n + BigInt(part);
  }
  return value;
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!);
  const tail = halves.length === 2 ? parseGroups(halves[1]!) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array.from({ length: missing }, () => 0), ...tail]) {
    value = value * 65536n + BigInt(group);
  }
  return value;
}

function parseGroups(text: string): readonly number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part.includes(".")) {
      const embedded = parseV4(part);
      if (embedded === undefined) return undefined;
      groups.push(Number(embedded >> 16n), Number(embedded & 65535n));
    } else if (/^[\da-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups;
}
