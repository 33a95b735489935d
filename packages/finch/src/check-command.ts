/** `finch check FILE`: finds mistakes in a configuration before a start does. */
import { readFile, stat } from "node:fs/promises";
import { FinchError } from "@finch/runtime";

export async function checkFile(path: string): Promise<void> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    (error: unknown) => {
      throw new FinchError("invalid", "finch/no-file", `cannot read ${path}`, { cause: error });
    },
  );
  if (isDirectory || path.endsWith(".alloy")) {
    const { validateAgentFile } = await import("./agent-file-commands.ts");
    await validateAgentFile(path);
    return;
  }
  if (/\.ya?ml$/.test(path)) {
    const { parseConfig } = await import("./config.ts");
    parseConfig({ file: { name: path, text: await readFile(path, "utf8") }, env: {}, flags: {} });
    process.stdout.write(`${path} is valid\n`);
    return;
  }
  throw new FinchError(
    "unsupported",
    "finch/unknown-file",
    `cannot tell what ${path} is: a finch.yaml (.yaml, .yml) or an agent's configuration (.alloy, or a folder) can be checked`,
  );
}
