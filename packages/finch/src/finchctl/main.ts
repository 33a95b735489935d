/** The `finchctl` command: the one place that reads the command line. */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "../../../../node_modules/.cache/finch-compile"));

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});

const { runFinchctl } = await import("./command-line.ts");
process.exitCode = await runFinchctl(process.argv);
