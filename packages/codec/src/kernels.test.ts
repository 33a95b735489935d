import assert from "node:assert/strict";
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readKernel } from "./kernels.ts";

const CODEC = join(import.meta.dirname, "..");

/** Sources and kernels as they are here, in a directory where `change` does something to them. */
async function withCopy(
  change: (codec: string) => Promise<void>,
  check: (codec: string) => void,
): Promise<void> {
  const codec = await mkdtemp(join(tmpdir(), "finch-kernels-"));
  try {
    for (const part of ["asm", "dist"])
      await cp(join(CODEC, part), join(codec, part), { recursive: true });
    await change(codec);
    check(codec);
  } finally {
    await rm(codec, { recursive: true });
  }
}

const REFUSED: readonly [
  name: string,
  change: (codec: string) => Promise<void>,
  message: (codec: string) => string,
][] = [
  [
    "its source has changed",
    (codec) => appendFile(join(codec, "asm", "key-hash.ts"), "\n"),
    (codec) =>
      `${codec}/dist/key-hash.wasm was built from other sources than those in ${codec}/asm (key-hash.ts): run \`node scripts/setup.mjs\`, which builds it`,
  ],
  [
    "a byte of another source has changed, which it may import",
    async (codec) => {
      const path = join(codec, "asm", "snappy.ts");
      await writeFile(path, (await readFile(path, "utf8")).replace("export", "exporT"));
    },
    (codec) => `${codec}/asm (snappy.ts)`,
  ],
  [
    "the compiler gets other options",
    (codec) => writeFile(join(codec, "asm", "compiler.json"), "{}"),
    (codec) => `${codec}/asm (compiler.json)`,
  ],
  [
    "sources have gone and come",
    async (codec) => {
      await rm(join(codec, "asm", "value-chunk.ts"));
      await writeFile(join(codec, "asm", "new.ts"), "");
    },
    (codec) => `${codec}/asm (new.ts, value-chunk.ts)`,
  ],
  [
    "it says nothing of its sources",
    // Magic and version: a module without a section.
    (codec) =>
      writeFile(join(codec, "dist", "key-hash.wasm"), Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)),
    (codec) =>
      `${codec}/dist/key-hash.wasm does not say which sources it was built from: run \`node scripts/setup.mjs\``,
  ],
  [
    "it is missing",
    (codec) => rm(join(codec, "dist", "key-hash.wasm")),
    (codec) => `cannot read ${codec}/dist/key-hash.wasm: run \`node scripts/setup.mjs\``,
  ],
];

for (const [name, change, message] of REFUSED) {
  void test(`a kernel is refused, with file and remedy: ${name}`, async () => {
    await withCopy(change, (codec) => {
      assert.throws(
        () => readKernel(codec, "key-hash"),
        (error: Error) => {
          assert.ok(error.message.includes(message(codec)), error.message);
          return true;
        },
      );
    });
  });
}

const TAKEN: readonly [name: string, change: (codec: string) => Promise<void>][] = [
  ["as it was built", async () => {}],
  ["an editor keeps a file of its own", (codec) => writeFile(join(codec, "asm", ".a.ts.swp"), "")],
  ["sources are not there", (codec) => rm(join(codec, "asm"), { recursive: true })],
];

for (const [name, change] of TAKEN) {
  void test(`a kernel is taken: ${name}`, async () => {
    await withCopy(change, (codec) => assert.ok(readKernel(codec, "key-hash")));
  });
}
