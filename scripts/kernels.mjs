/**
 * Compiles every kernel, `packages/codec/asm/NAME.ts` in AssemblyScript, to `packages/codec/dist/NAME.wasm`, stamped with the sources it was built
 * from; `scripts/setup.mjs` runs it when a source changed, with the Node that runs Finch. How kernels are written: `packages/codec/README.md`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { readSourceStamp, stampSection } from "../packages/codec/src/kernel-stamp.ts";

const CODEC = join(dirname(dirname(fileURLToPath(import.meta.url))), "packages", "codec");
const ASM = join(CODEC, "asm");
const DIST = join(CODEC, "dist");
const DATA_SECTION = 11;

/** Stands among the sources so that the stamp covers it. */
const compiler = JSON.parse(readFileSync(join(ASM, "compiler.json"), "utf8"));
if (asc.version !== compiler.version) {
  fail(
    `AssemblyScript is ${asc.version}, packages/codec/asm/compiler.json says ${compiler.version}`,
  );
}
const stamp = stampSection(readSourceStamp(ASM));
rmSync(DIST, { recursive: true, force: true });
mkdirSync(DIST);
for (const file of readdirSync(ASM)) {
  if (file.endsWith(".ts")) await compile(file);
}

async function compile(file) {
  let binary;
  const messages = asc.createMemoryStream();
  const { error } = await asc.main(
    [file, "--baseDir", ASM, ...compiler.options, "--outFile", "kernel.wasm"],
    { stderr: messages, writeFile: (_name, contents) => void (binary = contents) },
  );
  if (error !== null) fail(`${messages.toString()}${error.message}`);
  if (sectionsOf(binary).includes(DATA_SECTION)) {
    fail(
      `asm/${file} has static data (an array or a string), but kernels share memories: lay tables out in memory that the caller gives`,
    );
  }
  writeFileSync(join(DIST, file.replace(/\.ts$/, ".wasm")), Buffer.concat([binary, stamp]));
}

/** Numbers of the sections of a WebAssembly module. */
function sectionsOf(binary) {
  const sections = [];
  for (let at = 8; at < binary.length;) {
    sections.push(binary[at++]);
    let length = 0;
    for (let shift = 0, byte = 128; byte >= 128; shift += 7) {
      byte = binary[at++];
      length += (byte & 127) * 2 ** shift;
    }
    at += length;
  }
  return sections;
}

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
