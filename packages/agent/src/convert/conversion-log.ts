/** What a conversion has to say: one line for each finding, with its severity and the place in the YAML. */
import { FinchError } from "@finch/runtime";
import type { YamlNode } from "../yaml-config.ts";

/**
 * `info`: worth knowing; `warning`: to be looked at; `error`: something of the input is not in the output, which is given only when errors
 * are bypassed; `critical`: there is no output.
 */
export type ConversionSeverity = "info" | "warning" | "error" | "critical";

export interface ConversionDiagnostic {
  readonly severity: ConversionSeverity;
  /** Begins with `FILE:LINE:COLUMN: PATH: ` when it is about a place of the input. */
  readonly message: string;
}

const TITLES: Readonly<Record<ConversionSeverity, string>> = {
  info: "Info",
  warning: "Warning",
  error: "Error",
  critical: "Critical",
};

/** As it is shown and reported: `(Error) promtail.yaml:3:5: …`. */
export function formatConversionDiagnostic({ severity, message }: ConversionDiagnostic): string {
  return `(${TITLES[severity]}) ${message}`;
}

export class ConversionLog {
  readonly #diagnostics: ConversionDiagnostic[] = [];

  get diagnostics(): readonly ConversionDiagnostic[] {
    return this.#diagnostics;
  }

  /** `at` is what of the input it is about, or undefined when it is about the whole. What several parts say of one place is kept once. */
  add(severity: ConversionSeverity, at: YamlNode | undefined, message: string): void {
    const full = at === undefined ? message : at.fault(message).message;
    const isKnown = this.#diagnostics.some(
      (known) => known.severity === severity && known.message === full,
    );
    if (!isKnown) this.#diagnostics.push({ severity, message: full });
  }

  /** What a part of a conversion gives; input that cannot be read is critical, gives undefined, and the other parts are still looked at. */
  guard<Result>(part: () => Result): Result | undefined {
    try {
      return part();
    } catch (error) {
      if (!(error instanceof FinchError) || error.code !== "agent/bad-yaml") throw error;
      this.#diagnostics.push({ severity: "critical", message: error.message });
      return undefined;
    }
  }
}

/** The report `--report` writes: the findings that matter for the outcome, then the outcome. */
export function conversionReport(
  diagnostics: readonly ConversionDiagnostic[],
  options: { readonly bypassesErrors: boolean },
): string {
  const has = (severity: ConversionSeverity) =>
    diagnostics.some((each) => each.severity === severity);
  let shown = diagnostics;
  let outcome = "The configuration was converted.";
  if (has("critical")) {
    shown = diagnostics.filter(({ severity }) => severity === "critical");
    outcome = "Nothing was written: the critical findings above must be put right in the input.";
  } else if (has("error") && !options.bypassesErrors) {
    shown = diagnostics.filter(({ severity }) => severity === "error");
    outcome =
      "Nothing was written, because of the errors above. With --bypass-errors what they name is left out and the rest is written.";
  }
  return `${[...shown.map(formatConversionDiagnostic), "", outcome].join("\n")}\n`;
}
