/** Tests of pipelines, in the form of `finch agent test`, which takes those of Alloy's own sources: a configuration, what goes in, what comes out. */
import { ConfigError } from "@finch/agent";
import { compareResults, parsePipelineTest, runPipelineTest } from "@finch/agent/pipeline-test";

/** What is wrong, undefined for nothing, or what the test needs that is not built. */
export async function checkPipeline(
  path: string,
  text: string,
): Promise<string | undefined | { readonly skipped: string }> {
  try {
    const test = parsePipelineTest(text, path);
    const { diff, failures } = compareResults(test, await runPipelineTest(test));
    const [failure] = failures;
    if (failure !== undefined) return failure;
    const different = diff.find(({ kind }) => kind !== "both");
    return different === undefined
      ? undefined
      : `${different.kind === "expected" ? "not there" : "not expected"}: ${different.text.trim()}`;
  } catch (error) {
    if (error instanceof ConfigError && error.kind === "unsupported")
      return { skipped: error.message };
    throw error;
  }
}
