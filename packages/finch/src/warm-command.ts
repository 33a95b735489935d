/**
 * `finch warm`, called by the set-up: loads everything `finch up` and `finch agent run` need, so that the compile cache has it. The first
 * start is then as short and as light as any other, for no TypeScript compiler is loaded.
 */
import { COMPONENTS } from "@finch/agent";

export async function warmCompileCache(): Promise<void> {
  await Promise.all([
    import("./up-command.ts"),
    import("./agent-run-command.ts"),
    import("./agent-convert-command.ts"),
  ]);
  const { warmQueryWorker } = await import("@finch/server");
  await warmQueryWorker();
  // Components are loaded when a configuration names them.
  for (const load of Object.values(COMPONENTS)) await load();
}
