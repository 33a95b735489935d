/**
 * The `finch` command: sets the process up, then loads only what the command given needs. The one place that reads the command line, the
 * environment and the clock.
 */
import { enableCompileCache } from "node:module";

// Compiled code of the last start is reused; a fifth of the start time and some memory of the compiler.
enableCompileCache();

const { runCommandLine } = await import("./command-line.ts");
process.exitCode = await runCommandLine(process.argv);
