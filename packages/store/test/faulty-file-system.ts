/**
 * A file system in memory that forgets what was not fsynced. It keeps two states: what a running process sees, and what is on disk. `crash`
 * ends the first and rebuilds it from the second plus some of the unsynced changes. Operations that change anything are counted; the
 * n-th can be made the last one, or fail with an errno.
 */
import { basename, dirname } from "node:path";
import type { FileHandle, FileSystem } from "@finch/runtime";

interface FileNode {
  readonly kind: "file";
  seen: Uint8Array;
  durable: Uint8Array;
}

interface DirectoryNode {
  readonly kind: "directory";
  seen: Map<string, Node>;
  durable: Map<string, Node>;
  /** Changes not yet durable, oldest first. A rename is one change. */
  pending: ((entries: Map<string, Node>) => void)[];
}

type Node = FileNode | DirectoryNode;

/** What of the unsynced changes survives a crash: nothing, everything, or a random part, writes torn. */
export type Survival = "nothing" | "everything" | "some";

export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

export class FaultyFileSystem implements FileSystem {
  /** Changing operations so far. */
  operations = 0;
  /** Whether an operation was made to fail. */
  hasFailed = false;
  totalBytes = 1e12;
  freeBytes = 1e12;
  #crashAt = Infinity;
  #fault: { from: number; to: number; code: string } | undefined;
  #refused: { paths: RegExp; code: string } | undefined;
  #isOff = false;
  #root: DirectoryNode = newDirectory();

  /** The `n`-th changing operation from now on happens half or not at all, and nothing after it. */
  cutPowerAt(n: number): void {
    this.#crashAt = this.operations + n;
  }

  /** Changing operations `n … n + count - 1` from now on fail with `code`. */
  failAt(n: number, count: number, code: string): void {
    this.#fault = { from: this.operations + n, to: this.operations + n + count, code };
  }

  /** From now on writes of files with such a path fail with `code`; none do with `undefined`. */
  failWritesOf(paths: RegExp | undefined, code: string): void {
    this.#refused = paths === undefined ? undefined : { paths, code };
  }

  get isOff(): boolean {
    return this.#isOff;
  }

  /** Power comes back. Handles of before are dead. */
  crash(survival: Survival, random: () => number): void {
    this.#root = crashDirectory(this.#root, survival, random, new Map());
    this.#isOff = false;
    this.#crashAt = Infinity;
    this.#fault = undefined;
  }

  /** Another disk with the same on it, all of it durable. */
  copy(): FaultyFileSystem {
    const other = new FaultyFileSystem();
    other.#root = crashDirectory(this.#root, "everything", Math.random, new Map());
    return other;
  }

  async open(path: string, mode: "read" | "create" | "append" | "log"): Promise<FileHandle> {
    const parent = this.#directory(dirname(path));
    let node = parent.seen.get(basename(path));
    if (mode !== "read" && node === undefined) {
      this.#change(path);
      const made: FileNode = { kind: "file", seen: new Uint8Array(0), durable: new Uint8Array(0) };
      apply(parent, (entries) => entries.set(basename(path), made));
      node = made;
    }
    if (node?.kind !== "file") throw errno("ENOENT", path);
    if ((mode === "create" || mode === "log") && node.seen.length > 0) {
      this.#change(path);
      node.seen = new Uint8Array(0);
    }
    const handle = this.#handle(path, node);
    if (mode !== "log") return handle;
    // Two changes, so that power may go and faults may come between them.
    const write = async (source: Uint8Array, position: number): Promise<void> => {
      await handle.write(source, position);
      await handle.sync();
    };
    return { ...handle, write };
  }

  async readFile(path: string): Promise<Uint8Array> {
    return this.#file(path).seen.slice();
  }

  async list(directory: string): Promise<readonly string[]> {
    const node = this.#find(directory);
    return node?.kind === "directory" ? [...node.seen.keys()].sort() : [];
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#find(path) !== undefined) return;
    if (dirname(path) !== path) await this.makeDirectory(dirname(path));
    this.#change(path);
    const made = newDirectory();
    apply(this.#directory(dirname(path)), (entries) => entries.set(basename(path), made));
  }

  async rename(from: string, to: string): Promise<void> {
    const parent = this.#directory(dirname(from));
    const node = parent.seen.get(basename(from));
    if (node === undefined) throw errno("ENOENT", from);
    if (dirname(from) !== dirname(to))
      throw new Error("renames across directories are not modelled");
    this.#change(to);
    apply(parent, (entries) => {
      entries.delete(basename(from));
      entries.set(basename(to), node);
    });
  }

  async remove(path: string): Promise<void> {
    const node = this.#find(path);
    if (node === undefined) return;
    if (node.kind === "directory")
      for (const name of node.seen.keys()) await this.remove(`${path}/${name}`);
    this.#change(path);
    apply(this.#directory(dirname(path)), (entries) => entries.delete(basename(path)));
  }

  async syncDirectory(path: string): Promise<void> {
    this.#change(path);
    const node = this.#directory(path);
    node.durable = new Map(node.seen);
    node.pending = [];
  }

  async sizeOf(path: string): Promise<number> {
    const node = this.#find(path);
    if (node === undefined) return 0;
    if (node.kind === "file") return node.seen.length;
    let total = 0;
    for (const name of node.seen.keys()) total += await this.sizeOf(`${path}/${name}`);
    return total;
  }

  async space(): Promise<{ totalBytes: number; freeBytes: number }> {
    return { totalBytes: this.totalBytes, freeBytes: this.freeBytes };
  }

  /** Flips one bit on disk and in sight. */
  flipBit(path: string, offset: number): void {
    const node = this.#file(path);
    node.seen = node.seen.slice();
    node.seen[offset]! ^= 0x10;
    node.durable = node.seen;
  }

  /** Replaces a file, durably. */
  put(path: string, bytes: Uint8Array): void {
    const node = this.#file(path);
    node.seen = bytes.slice();
    node.durable = node.seen;
  }

  #handle(path: string, node: FileNode): FileHandle {
    return {
      read: async (target, position) => {
        this.#checkPower();
        const part = node.seen.subarray(position, position + target.length);
        target.set(part);
        return part.length;
      },
      write: async (source, position) => {
        if (this.#refused?.paths.test(path) === true) throw errno(this.#refused.code, path);
        this.#change(path, () => writeAt(node, source.subarray(0, source.length >> 1), position));
        writeAt(node, source, position);
      },
      sync: async () => {
        // A failed fsync drops the dirty pages: a second one would report success for bytes that are lost.
        this.#change(path);
        node.durable = node.seen.slice();
      },
      truncate: async (size) => {
        this.#change(path);
        node.seen = node.seen.slice(0, size);
      },
      size: async () => node.seen.length,
      close: async () => {},
    };
  }

  /** Counts a change; throws when it is the one that fails. `half` does part of the work before. */
  #change(path: string, half: () => void = () => {}): void {
    this.#checkPower();
    this.operations++;
    if (this.operations >= this.#crashAt) {
      half();
      this.#isOff = true;
      throw new PowerCut();
    }
    const fault = this.#fault;
    if (fault !== undefined && this.operations >= fault.from && this.operations < fault.to) {
      half();
      this.hasFailed = true;
      throw errno(fault.code, path);
    }
  }

  #checkPower(): void {
    if (this.#isOff) throw new PowerCut();
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      node = node?.kind === "directory" ? node.seen.get(name) : undefined;
    }
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#find(path);
    if (node?.kind !== "directory") throw errno("ENOENT", path);
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node?.kind !== "file") throw errno("ENOENT", path);
    return node;
  }
}

function newDirectory(): DirectoryNode {
  return { kind: "directory", seen: new Map(), durable: new Map(), pending: [] };
}

function apply(node: DirectoryNode, change: (entries: Map<string, Node>) => void): void {
  change(node.seen);
  node.pending.push(change);
}

function writeAt(node: FileNode, source: Uint8Array, position: number): void {
  const seen = new Uint8Array(Math.max(node.seen.length, position + source.length));
  seen.set(node.seen);
  seen.set(source, position);
  node.seen = seen;
}

function crashDirectory(
  node: DirectoryNode,
  survival: Survival,
  random: () => number,
  made: Map<Node, Node>,
): DirectoryNode {
  const entries = survival === "everything" ? node.seen : new Map(node.durable);
  // A file system with a journal keeps changes of a directory in order: some of the first survive.
  if (survival === "some")
    for (const change of node.pending.slice(0, Math.floor(random() * (node.pending.length + 1))))
      change(entries);
  const after = newDirectory();
  for (const [name, child] of entries) {
    let survivor = made.get(child);
    if (survivor === undefined) {
      survivor =
        child.kind === "directory"
          ? crashDirectory(child, survival, random, made)
          : crashFile(child, survival, random);
      made.set(child, survivor);
    }
    after.seen.set(name, survivor);
  }
  after.durable = new Map(after.seen);
  return after;
}

function crashFile(node: FileNode, survival: Survival, random: () => number): FileNode {
  let bytes = survival === "everything" ? node.seen.slice() : node.durable.slice();
  if (survival === "some") {
    // Length and each stretch of bytes survive or not by themselves; what was never written reads as zeros.
    const length =
      random() < 0.5
        ? node.seen.length
        : Math.min(node.durable.length, node.seen.length) +
          Math.floor(random() * Math.max(1, node.seen.length - node.durable.length));
    const mixed = new Uint8Array(Math.min(length, Math.max(node.seen.length, node.durable.length)));
    mixed.set(node.durable.subarray(0, mixed.length));
    for (let at = 0; at < mixed.length;) {
      const end = Math.min(mixed.length, at + 1 + Math.floor(random() * 64));
      if (random() < 0.5) mixed.set(node.seen.subarray(at, end), at);
      at = end;
    }
    bytes = mixed;
  }
  return { kind: "file", seen: bytes, durable: bytes };
}

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
