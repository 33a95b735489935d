/**
 * `finch.json`: the services this user administrates and the client certificate for each, in the format of the original finchctl, which reads and writes the same file.
 * `ca` is ours: the certificate of a gateway that signed its own, told over SSH when the service was deployed, so that it can be held to it.
 */
import { chmod, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { FinchError } from "@finch/runtime";

/** One service; PEM throughout. */
export interface Stack {
  /** `host` or `host:port`. */
  readonly name: string;
  readonly certificate: string;
  readonly key: string;
  /** What the gateway's certificate is checked against; undefined for the authorities that Node trusts. */
  readonly gatewayCertificate?: string;
}

interface StackEntry extends Record<string, unknown> {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

interface StackDocument extends Record<string, unknown> {
  readonly stacks: readonly StackEntry[];
}

/** Where the file is: `FINCH_CONFIG` names it or, as with the original, the folder it is in. */
export async function stackFilePath(env: NodeJS.ProcessEnv): Promise<string> {
  const given = env["FINCH_CONFIG"] ?? "";
  if (given === "") return join(env["HOME"] ?? homedir(), ".config", "finch.json");
  const isFolder = await stat(given).then(
    (found) => found.isDirectory(),
    () => !given.endsWith(".json"),
  );
  return isFolder ? join(given, "finch.json") : given;
}

export class StackFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  async names(): Promise<string[]> {
    return (await this.#read()).stacks.map(({ name }) => name);
  }

  /** The service of this name, or a fault that says how to come by it. */
  async get(name: string): Promise<Stack> {
    const { stacks } = await this.#read();
    const found = stacks.find((one) => one.name === name);
    if (found === undefined) {
      const known = stacks.map((one) => one.name).join(", ");
      throw new FinchError(
        "not-found",
        "finch/no-stack",
        `${this.path} knows no service ${JSON.stringify(name)}${known === "" ? "" : ` (it knows ${known})`}; ` +
          `deploy one with "finchctl service deploy [user@]host", or get access to one that runs with "finchctl service register [user@]host"`,
      );
    }
    return {
      name,
      certificate: decode(found.cert),
      key: decode(found.key),
      ...(found.ca !== undefined && { gatewayCertificate: decode(found.ca) }),
    };
  }

  async has(name: string): Promise<boolean> {
    return (await this.names()).includes(name);
  }

  /** Adds the service, or replaces what is known of it. */
  async put(stack: Stack): Promise<void> {
    const document = await this.#read();
    const before = document.stacks.find((one) => one.name === stack.name);
    const { ca: _, ...rest } = before ?? {};
    const entry: StackEntry = {
      ...rest,
      name: stack.name,
      cert: encode(stack.certificate),
      key: encode(stack.key),
      ...(stack.gatewayCertificate !== undefined && { ca: encode(stack.gatewayCertificate) }),
    };
    const others = document.stacks.filter((one) => one.name !== stack.name);
    await this.#write({ ...document, stacks: [...others, entry] });
  }

  /** Forgets the service; nothing happens when it is not known. */
  async remove(name: string): Promise<void> {
    const document = await this.#read();
    const stacks = document.stacks.filter((one) => one.name !== name);
    if (stacks.length !== document.stacks.length) await this.#write({ ...document, stacks });
  }

  async #read(): Promise<StackDocument> {
    const text = await this.#text();
    if (text === undefined) return { stacks: [] };
    try {
      const document = JSON.parse(text) as Partial<StackDocument> | null;
      const stacks = document?.stacks ?? [];
      if (!Array.isArray(stacks) || !stacks.every(isEntry)) throw new Error("no list of stacks");
      return { ...document, stacks };
    } catch (error) {
      throw new FinchError(
        "corrupt",
        "finch/bad-stack-file",
        `${this.path} cannot be read as the list of your services; what it was before the last change is in ${this.path}~`,
        { cause: error },
      );
    }
  }

  async #text(): Promise<string | undefined> {
    try {
      return await readFile(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** What was there is kept beside it; the new file is there as a whole or not at all, and never readable by others. */
  async #write(document: StackDocument): Promise<void> {
    const before = await this.#text();
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    if (before !== undefined) await writePrivate(`${this.path}~`, before);
    const temporary = `${this.path}.tmp`;
    await writePrivate(temporary, `${JSON.stringify(document, undefined, 2)}\n`);
    await rename(temporary, this.path);
  }
}

async function writePrivate(path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  // A file that was there keeps its mode.
  await chmod(path, 0o600);
}

function isEntry(value: unknown): value is StackEntry {
  const { name, cert, key, ca = "" } = (value ?? {}) as Record<string, unknown>;
  return [name, cert, key, ca].every((one) => typeof one === "string");
}

function encode(pem: string): string {
  return Buffer.from(pem).toString("base64");
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
