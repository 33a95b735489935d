/**
 * `finch warm`, called by the set-up: loads everything `finch up` and `finch agent run` need, so that the compile cache has it. The first
 * start is then as short and as light as any other, for no TypeScript compiler is loaded.
 */
import { generateMachineConfig, validateConfig } from "@finch/agent";

export async function warmCompileCache(): Promise<void> {
  await Promise.all([import("./up-command.ts"), import("./agent-run-command.ts")]);
  const { warmQueryWorker } = await import("@finch/server");
  await warmQueryWorker();
  // Components are loaded when a configuration names them.
  const text = generateMachineConfig({
    metricsUrl: "http://127.0.0.1:9090/api/v1/write",
    logsUrl: "http://127.0.0.1:3100/loki/api/v1/push",
    hasJournal: true,
  });
  await validateConfig(text, "config.alloy");
}
