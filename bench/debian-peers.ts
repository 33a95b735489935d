/**
 * Debian's own `prometheus`, `victoria-metrics`, `ripgrep` and `zstd`: from the path given, from `PATH`, else downloaded with apt and unpacked into a
 * cache folder.
 * Nothing is installed and nothing runs as a service.
 */
import { execFileSync } from "node:child_process";
import type { ExecFileSyncOptions } from "node:child_process";
import { existsSync, globSync, mkdirSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** Names of packages. */
export type PeerName = "prometheus" | "victoria-metrics" | "ripgrep" | "zstd";

/** Where the program is not called as the package. */
const PROGRAMS: Partial<Record<PeerName, string>> = { ripgrep: "rg" };

/** Path of the program, or undefined with the reason told to `say`. */
export function findPeer(
  name: PeerName,
  options: {
    readonly path: string | undefined;
    readonly cache: string;
    readonly say: (text: string) => void;
  },
): string | undefined {
  const { path, cache, say } = options;
  if (path !== undefined) {
    if (existsSync(path)) return resolve(path);
    throw new RangeError(`there is no ${name} at ${path}`);
  }
  const program = PROGRAMS[name] ?? name;
  const unpacked = join(cache, "debian", "usr", "bin", program);
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    const candidate = join(directory, program);
    if (directory !== "" && existsSync(candidate)) return candidate;
  }
  if (existsSync(unpacked)) return unpacked;
  try {
    say(`unpacking Debian's ${name} into ${cache}`);
    unpack(name, cache);
    return unpacked;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: Buffer };
    const reason = stderr?.toString().trim().split("\n").at(-1) ?? message;
    say(`${name} is left out: it is not installed, and apt cannot download it (${reason})`);
    return undefined;
  }
}

function unpack(name: PeerName, cache: string): void {
  const downloads = join(cache, "downloads");
  mkdirSync(downloads, { recursive: true });
  // apt warns that its own user cannot write there; it then downloads as the caller.
  const quiet: ExecFileSyncOptions = { cwd: downloads, stdio: ["ignore", "ignore", "pipe"] };
  execFileSync("apt-get", ["-q", "download", name], quiet);
  const [archive] = globSync(`${name}_*.deb`, { cwd: downloads }).toSorted().toReversed();
  if (archive === undefined) throw new RangeError(`apt-get download ${name} left no file`);
  execFileSync("dpkg", ["-x", archive, join(cache, "debian")], quiet);
}
