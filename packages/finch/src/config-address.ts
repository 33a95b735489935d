/** Reads addresses to listen at. */
import { badValue } from "./config-values.ts";

/** Where a listener listens; undefined when it is off. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (all addresses) or `off`. Port 0 takes a free one. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text === "off") return undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw badValue(`"${text}" is no address: give HOST:PORT such as 127.0.0.1:3000, or off`);
  }
  return { host: (match[1] ?? match[2]) || "0.0.0.0", port };
}
