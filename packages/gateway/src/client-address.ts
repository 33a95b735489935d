/** Who asks, by address: the peer of the socket or, where that is a proxy that is trusted by address, whom the proxy says it speaks for. */
import { isIP } from "node:net";

/** `::ffff:10.0.0.1` is `10.0.0.1`. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}

/**
 * The client of a request that came from `peer` with `forwardedFor`, the values of X-Forwarded-For: read from the end, as far as those who wrote them are
 * trusted. Anything that is no address ends the reading.
 */
export function clientAddress(
  peer: string,
  forwardedFor: string | undefined,
  isTrusted: (address: string) => boolean,
): string {
  let client = plainAddress(peer);
  const hops = forwardedFor === undefined ? [] : forwardedFor.split(",").slice(-HOPS_MAX);
  for (const hop of hops.toReversed()) {
    if (!isTrusted(client)) return client;
    const address = plainAddress(hop.trim().replace(/^\[(.*)\]$/, "$1"));
    if (isIP(address) === 0) return client;
    client = address;
  }
  return client;
}

/** Proxies in a row that are looked back over. */
const HOPS_MAX = 16;

/** What limits are counted by: an IPv4 address, or the network of 64 bits that one customer of IPv6 has at least. */
export function clientKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail = ""] = address.split("%")[0]!.toLowerCase().split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? 8 - front.length - back.length : 0;
  const groups = [...front, ...Array<string>(Math.max(0, zeros)).fill("0"), ...back];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
