/** What a host is, found out without changing anything, and whether Finch can run on it. */
import { FinchError } from "@finch/runtime";
import type { Host } from "./host.ts";
import { AGENT, RELEASES, SERVICE } from "./layout.ts";

export interface HostFacts {
  /** Of `uname`, such as `Linux` and `x86_64`. */
  readonly system: string;
  readonly machine: string;
  readonly hostname: string;
  readonly hasSystemd: boolean;
  /** Whether its C library is musl, which the Node we carry does not run on. */
  readonly hasMusl: boolean;
  readonly hasTar: boolean;
  readonly hasGzip: boolean;
  /** Ids of the releases that run; empty where none does. */
  readonly serviceRelease: string;
  readonly agentRelease: string;
  /** Bytes free where releases are put. */
  readonly bytesFree: number;
}

/** Bytes of a release, and room for its data to begin with. */
export const BYTES_NEEDED = 600 << 20;

const PROBE = `
say() { printf '%s=%s\\n' "$1" "$2"; }
link() { basename "$(readlink "$1" 2>/dev/null)" 2>/dev/null || true; }
have() { command -v "$1" >/dev/null 2>&1 && echo yes || echo no; }
say system "$(uname -s)"
say machine "$(uname -m)"
say hostname "$(uname -n)"
say systemd "$([ -d /run/systemd/system ] && have systemctl || echo no)"
say musl "$(ls /lib/ld-musl-* >/dev/null 2>&1 && [ ! -e /lib64/ld-linux-x86-64.so.2 ] && echo yes || echo no)"
say tar "$(have tar)"
say gzip "$(have gzip)"
say service "$(link ${SERVICE.link})"
say agent "$(link ${AGENT.link})"
for where in ${RELEASES} /opt /; do [ ! -d "$where" ] || break; done
say free "$(df -Pk "$where" | awk 'NR == 2 { print $4 }')"
`;

export async function readHostFacts(host: Host): Promise<HostFacts> {
  const lines = (await host.run(PROBE)).split("\n").map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)] as const;
  });
  const said = new Map(lines);
  const isYes = (key: string) => said.get(key) === "yes";
  return {
    system: said.get("system") ?? "",
    machine: said.get("machine") ?? "",
    hostname: said.get("hostname") ?? "",
    hasSystemd: isYes("systemd"),
    hasMusl: isYes("musl"),
    hasTar: isYes("tar"),
    hasGzip: isYes("gzip"),
    serviceRelease: said.get("service") ?? "",
    agentRelease: said.get("agent") ?? "",
    bytesFree: Number(said.get("free")) * 1024,
  };
}

/** One thing a host needs. */
export interface Requirement {
  readonly name: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do when it is not so. */
  readonly fix: string;
}

export function requirementsOf(facts: HostFacts): readonly Requirement[] {
  const { system, machine, bytesFree } = facts;
  return [
    {
      name: "system",
      ok: system === "Linux",
      found: `${system} ${machine}`,
      fix: "Finch is installed on Linux; elsewhere run it by hand, or use an Alloy there with --alloy.existing",
    },
    {
      name: "C library",
      ok: !facts.hasMusl,
      found: facts.hasMusl ? "musl" : "glibc",
      fix: "the Node that Finch carries needs glibc: use a system that has it, such as Debian",
    },
    {
      name: "tar and gzip",
      ok: facts.hasTar && facts.hasGzip,
      found: facts.hasTar && facts.hasGzip ? "there" : "missing",
      fix: "install tar and gzip, such as with: apt-get install tar gzip",
    },
    {
      name: "room in /opt",
      ok: bytesFree >= BYTES_NEEDED,
      found: `${Math.floor(bytesFree / 2 ** 20)} MiB free`,
      fix: `make ${BYTES_NEEDED >> 20} MiB free`,
    },
  ];
}

/** Throws what is missing, with how to mend it. */
export function checkHost(host: Host, facts: HostFacts): void {
  const missing = requirementsOf(facts).filter(({ ok }) => !ok);
  if (missing.length === 0) return;
  const list = missing.map(({ name, found, fix }) => `${name}: ${found}; ${fix}`);
  throw new FinchError("unsupported", "finch/unfit-host", `${host.name}: ${list.join("\n")}`);
}
