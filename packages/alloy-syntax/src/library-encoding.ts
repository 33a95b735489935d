/** `encoding.*`. */
import { fromJson, toJson } from "./json-values.ts";
import { argument, expectCount, textArgument } from "./library-arguments.ts";
import type { LibraryFunction } from "./library-arguments.ts";
import { ValueFault } from "./values.ts";
import { fromYaml } from "./yaml-values.ts";

function ofText(compute: (text: string) => string): LibraryFunction {
  return (args) => {
    expectCount(args, 1);
    const text = textArgument(args, 0);
    return argument(args, 0, () => compute(text));
  };
}

function decodeBase64(text: string, isUrl: boolean): string {
  const alphabet = isUrl ? /^[A-Za-z0-9_-]*={0,2}$/ : /^[A-Za-z0-9+/]*={0,2}$/;
  const compact = text.replaceAll(/[\r\n]/g, "");
  if (!alphabet.test(compact) || compact.length % 4 !== 0)
    throw new ValueFault("illegal base64 data", { argument: 0 });
  return Buffer.from(compact, isUrl ? "base64url" : "base64").toString("utf8");
}

function encodeBase64(text: string, isUrl: boolean): string {
  const encoded = Buffer.from(text, "utf8").toString("base64");
  return isUrl ? encoded.replaceAll("+", "-").replaceAll("/", "_") : encoded;
}

/** Form style, as Go's `url.QueryEscape`: a space is `+`. */
function encodeUrl(text: string): string {
  return encodeURIComponent(text)
    .replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}

function decodeUrl(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new ValueFault(`invalid URL escape in ${JSON.stringify(text.slice(0, 60))}`, {
      argument: 0,
    });
  }
}

export const ENCODING_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  "encoding.from_json": (args) => {
    expectCount(args, 1);
    return fromJson(textArgument(args, 0));
  },
  "encoding.from_yaml": (args) => {
    expectCount(args, 1);
    return fromYaml(textArgument(args, 0));
  },
  "encoding.to_json": (args) => {
    expectCount(args, 1);
    return argument(args, 0, toJson);
  },
  "encoding.from_base64": ofText((text) => decodeBase64(text, false)),
  "encoding.to_base64": ofText((text) => encodeBase64(text, false)),
  "encoding.from_URLbase64": ofText((text) => decodeBase64(text, true)),
  "encoding.to_URLbase64": ofText((text) => encodeBase64(text, true)),
  "encoding.url_encode": ofText(encodeUrl),
  "encoding.url_decode": ofText(decodeUrl),
};
