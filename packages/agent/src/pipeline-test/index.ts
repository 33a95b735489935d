export { asExpected, compareResults, formatExpected } from "./compare-results.ts";
export type { Comparison } from "./compare-results.ts";
export type { DiffLine } from "./diff-lines.ts";
export { runPipelineTest } from "./run-pipeline-test.ts";
export { parsePipelineTest } from "./test-file.ts";
export { replaceExpected } from "./update-test-file.ts";
