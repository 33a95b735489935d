/** Values of literals as they are written. */

/** A value, or what is wrong with its text. */
export type LiteralResult<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly message: string };

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
};

const ESCAPE =
  /\\(?:([abfnrtv\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([^]))/gu;

/** The text of a double-quoted literal. `\x` and octal escapes are bytes; text that is not UTF-8 afterwards is repaired as Go prints it. */
export function unquoteString(literal: string): LiteralResult<string> {
  const body = literal.slice(1, -1);
  if (!body.includes("\\")) return { ok: true, value: body };
  let fault: string | undefined;
  let hasBytes = false;
  const text = body.replaceAll(
    ESCAPE,
    (
      whole: string,
      simple?: string,
      octal?: string,
      hex?: string,
      short?: string,
      long?: string,
    ) => {
      if (simple !== undefined) return SIMPLE_ESCAPES[simple]!;
      if (octal !== undefined || hex !== undefined) {
        const byte = octal === undefined ? parseInt(hex!, 16) : parseInt(octal, 8);
        if (byte > 255) fault ??= `octal escape ${whole} is above 255`;
        if (byte < 128) return String.fromCharCode(byte);
        hasBytes = true;
        return String.fromCharCode(LONE_SURROGATE + byte);
      }
      const digits = short ?? long;
      if (digits === undefined) {
        fault ??= `unknown escape sequence ${whole}`;
        return "";
      }
      const point = parseInt(digits, 16);
      if (point <= 0x10ffff && (point < 0xd800 || point > 0xdfff))
        return String.fromCodePoint(point);
      fault ??= `escape sequence ${whole} is not a Unicode character`;
      return "";
    },
  );
  if (fault !== undefined) return { ok: false, message: fault };
  return { ok: true, value: hasBytes ? joinBytes(text) : text };
}

/** Marks a byte ≥ 128 while a string is put together; cannot come from well-formed text. */
const LONE_SURROGATE = 0xdc00;

function joinBytes(text: string): string {
  const parts: Uint8Array[] = [];
  const encoder = new TextEncoder();
  for (const char of text) {
    const code = char.codePointAt(0)!;
    parts.push(
      code > LONE_SURROGATE && code < LONE_SURROGATE + 256
        ? Uint8Array.of(code - LONE_SURROGATE)
        : encoder.encode(char),
    );
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

const UINT64_MAX = 2n ** 64n - 1n;

/** Whole numbers become bigints (a leading 0 means octal, as in Go), what does not fit or has a point becomes a float. */
export function parseNumber(text: string): LiteralResult<number | bigint> {
  if (/^[0-9]+$/.test(text)) {
    const isOctal = text.length > 1 && text.startsWith("0");
    if (!isOctal || /^[0-7]+$/.test(text)) {
      const value = isOctal ? BigInt(`0o${text}`) : BigInt(text);
      if (value <= UINT64_MAX) return { ok: true, value };
    }
  }
  const value = Number(text);
  return Number.isFinite(value)
    ? { ok: true, value }
    : { ok: false, message: `number ${text.slice(0, 40)} is out of range` };
}
