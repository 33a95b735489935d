/** Which refusals of telemetry are for good. */
import { FinchError } from "@finch/runtime";

const PERMANENT: ReadonlySet<string> = new Set([
  "invalid",
  "unsupported",
  "unsupported-media",
  "too-large",
  "unprocessable",
]);

/** Whether offering the same again makes no sense; everything else may pass later. */
export function isPermanent(error: unknown): boolean {
  return error instanceof FinchError && PERMANENT.has(error.kind);
}
