/** The language without its evaluation: what an editor in the browser needs. Imports nothing of the platform (a test walks the imports). */
export type { Expr, LogExpr, MetricExpr, StageExpr } from "./ast.ts";
export { parseQuery, parseSelector } from "./parser.ts";
export { formatQuery } from "./print.ts";
