/**
 * What a compiled kernel says of the sources it was built from, in a custom section of its own: `scripts/kernels.mjs` writes it, `kernels.ts` holds
 * it against the sources beside it. A kernel of other sources would read and write memory laid out otherwise, and lose data without a word.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

const SECTION = "finch.sources";
const CUSTOM_SECTION_ID = 0;

/**
 * The sources below `asm`, the compiler's version and options among them: a line `NAME BYTES CRC-32` each. Undefined when there is no such
 * directory, as where only what was built is installed.
 */
export function readSourceStamp(asm: string): string | undefined {
  let names: string[];
  try {
    names = readdirSync(asm);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return names
    .filter((name) => /^[^.].*\.(ts|json)$/.test(name))
    .toSorted()
    .map((name) => {
      const bytes = readFileSync(join(asm, name));
      return `${name} ${bytes.length} ${crc32(bytes).toString(16).padStart(8, "0")}\n`;
    })
    .join("");
}

/** The section, to be put behind a module. */
export function stampSection(stamp: string): Buffer {
  const name = Buffer.from(SECTION);
  const contents = Buffer.concat([lengthBytes(name.length), name, Buffer.from(stamp)]);
  return Buffer.concat([Buffer.of(CUSTOM_SECTION_ID), lengthBytes(contents.length), contents]);
}

/** The stamp of a module, or undefined when it has none. */
export function stampOf(module: WebAssembly.Module): string | undefined {
  const section = WebAssembly.Module.customSections(module, SECTION)[0];
  return section === undefined ? undefined : Buffer.from(section).toString();
}

/** Names of the files in which two stamps differ. */
export function differingFiles(one: string, other: string): readonly string[] {
  const lines = new Set(one.split("\n")).symmetricDifference(new Set(other.split("\n")));
  return [...new Set(Array.from(lines, (line) => line.slice(0, line.indexOf(" "))))].toSorted();
}

/** LEB128, as WebAssembly counts. */
function lengthBytes(length: number): Buffer {
  const bytes: number[] = [];
  let rest = length;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.of(...bytes, rest);
}
