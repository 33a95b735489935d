/**
 * `finch warm`, called by the set-up: loads everything `finch up` and `finch agent run` need, so that the compile cache has it. The first
 * start is then as short and as light as any other, for no TypeScript compiler is loaded.
 */
import { globSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { PROJECT_ROOT } from "./version.ts";

export async function warmCompileCache(): Promise<void> {
  await Promise.all([
    import("./up-command.ts"),
    import("./agent-run-command.ts"),
    import("./agent-convert-command.ts"),
    import("@finch/gateway"),
  ]);
  const { warmQueryWorker } = await import("@finch/server");
  await warmQueryWorker();
  // Components, and parts of them, are loaded when a configuration or the machine has use for them; one module that is missing here brings the compiler.
  const agent = join(PROJECT_ROOT, "packages", "agent", "src");
  for (const path of globSync("**/*.ts", { cwd: agent }))
    if (!path.endsWith(".test.ts")) await import(pathToFileURL(join(agent, path)).href);
}
