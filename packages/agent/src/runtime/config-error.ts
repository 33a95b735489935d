/** A configuration that is refused, with everything that is wrong with it. */
import { formatDiagnosticLine, formatDiagnostics } from "@finch/alloy-syntax";
import type { Diagnostic } from "@finch/alloy-syntax";
import { FinchError } from "@finch/runtime";

/** The message is the first diagnostic in one line; `text()` shows all of them with their places in the source. */
export class ConfigError extends FinchError {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    const [first] = diagnostics;
    const isUnsupported = diagnostics.every((diagnostic) => diagnostic.kind === "unsupported");
    const more = diagnostics.length > 1 ? ` (and ${diagnostics.length - 1} more diagnostics)` : "";
    super(
      isUnsupported ? "unsupported" : "invalid",
      "agent/bad-config",
      `${first === undefined ? "bad configuration" : formatDiagnosticLine(first)}${more}`,
    );
    this.diagnostics = diagnostics;
  }

  text(): string {
    return formatDiagnostics(this.diagnostics);
  }
}
