/** What is wrong with a configuration, as values with their place: several can be shown at once, on a terminal or in an editor. */
import type { Source, Span } from "./source.ts";

export interface Diagnostic {
  readonly severity: "error" | "warning";
  /** `unsupported`: the file is fine, but needs something Finch does not have yet. */
  readonly kind: "invalid" | "unsupported";
  readonly message: string;
  readonly source: Source;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export function makeError(
  source: Source,
  span: Span,
  message: string,
  kind: Diagnostic["kind"] = "invalid",
): Diagnostic {
  return {
    severity: "error",
    kind,
    message,
    source,
    start: span.start,
    end: Math.max(span.end, span.start),
  };
}

/** For what works and had better be changed. */
export function makeWarning(source: Source, span: Span, message: string): Diagnostic {
  return { ...makeError(source, span, message), severity: "warning" };
}

/** For what is valid and not built yet: `not supported yet: NAME at 3:1`. */
export function makeUnsupported(source: Source, span: Span, name: string): Diagnostic {
  const { line, column } = source.position(span.start);
  return makeError(source, span, `not supported yet: ${name} at ${line}:${column}`, "unsupported");
}

/** `Error: config.alloy:12:3: message`. */
export function formatDiagnosticLine(diagnostic: Diagnostic): string {
  const { line, column } = diagnostic.source.position(diagnostic.start);
  const severity = diagnostic.severity === "error" ? "Error" : "Warning";
  return `${severity}: ${diagnostic.source.name}:${line}:${column}: ${diagnostic.message}`;
}

/** The line of {@link formatDiagnosticLine}, then the place in the source with a line of context on each side and `^^^^` below the fault. */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { source, start, end } = diagnostic;
  const first = source.position(start);
  const last = source.lineOf(Math.max(start, end - 1));
  const shownTo = Math.min(last, first.line + 4) + 1;
  const width = String(shownTo).length;
  const rows: string[] = [];
  for (let line = Math.max(1, first.line - 1); line <= shownTo; line++) {
    const text = source.lineText(line);
    if (text === undefined) break;
    rows.push(`${String(line).padStart(width)} | ${expandTabs(text)}`.trimEnd());
    if (line === first.line) {
      const before = expandTabs(text.slice(0, first.column - 1)).length;
      const marked =
        last === first.line
          ? expandTabs(source.text.slice(start, end)).length
          : expandTabs(text).length - before;
      rows.push(`${" ".repeat(width)} | ${" ".repeat(before)}${"^".repeat(Math.max(1, marked))}`);
    }
  }
  return `${formatDiagnosticLine(diagnostic)}\n\n${rows.join("\n")}\n`;
}

export function formatDiagnostics(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map(formatDiagnostic).join("\n");
}

function expandTabs(text: string): string {
  return text.replaceAll("\t", "    ");
}
