/**
 * Compiles every kernel, `packages/codec/asm/NAME.ts` in AssemblyScript, to `packages/codec/dist/NAME.wasm`; `scripts/setup.mjs` runs it when
 * a source changed. How kernels are written: `packages/codec/README.md`.
 */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const CODEC = join(dirname(dirname(fileURLToPath(import.meta.url))), "packages", "codec");
const OPTIONS = ["-O3", "--noAssert", "--runtime", "stub", "--use", "abort=", "--enable", "simd"];
const DATA_SECTION = 11;

mkdirSync(join(CODEC, "dist"), { recursive: true });
for (const file of readdirSync(join(CODEC, "asm"))) {
  if (file.endsWith(".ts")) await compile(file);
}

async function compile(file) {
  let binary;
  const messages = asc.createMemoryStream();
  const { error } = await asc.main(
    [
      file,
      "--baseDir",
      join(CODEC, "asm"),
      ...OPTIONS,
      "--importMemory",
      "--outFile",
      "kernel.wasm",
    ],
    { stderr: messages, writeFile: (_name, contents) => void (binary = contents) },
  );
  if (error !== null) fail(`${messages.toString()}${error.message}`);
  if (sectionsOf(binary).includes(DATA_SECTION)) {
    fail(
      `asm/${file} has static data (an array or a string), but kernels share memories: lay tables out in memory that the caller gives`,
    );
  }
  writeFileSync(join(CODEC, "dist", file.replace(/\.ts$/, ".wasm")), binary);
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
