/** Whether this process may listen on the ports of the web. */
import { readFileSync } from "node:fs";

/** CAP_NET_BIND_SERVICE (capabilities(7)). */
const BIND_CAPABILITY_BIT = 10n;

/** Asks the kernel of Linux; elsewhere only root may. */
export function mayBindLowPorts(): boolean {
  if (process.geteuid?.() === 0) return true;
  const firstFree = Number(read("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? 1024);
  if (firstFree <= 80) return true;
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(read("/proc/self/status") ?? "")?.[1];
  return effective !== undefined && ((BigInt(`0x${effective}`) >> BIND_CAPABILITY_BIT) & 1n) === 1n;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
