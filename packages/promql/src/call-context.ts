/** What every function call gets. */
import type { Call } from "./ast.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Grid } from "./values.ts";

/** What a function gets besides its evaluated arguments. */
export interface CallContext {
  readonly evaluation: Evaluation;
  readonly grid: Grid;
  readonly expr: Call;
}
