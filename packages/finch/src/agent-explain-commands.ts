/** The commands that explain a configuration: `finch agent test|graph`. */
import type { Command } from "commander";

export function addTestCommand(agent: Command): void {
  agent
    .command("test")
    .description("run pipelines on sample input, and compare what comes out with what is expected")
    .argument("<path>", "a test file, or a folder: all test.yaml and *.test.yaml in it are run")
    .option("-u, --update", "write what came out into the files, as what is expected from now on")
    .addHelpText("after", TEST_EXAMPLES)
    .action(async (path: string, flags: { readonly update?: boolean }) => {
      const { testAgentPipelines } = await import("./agent-test-command.ts");
      await testAgentPipelines(path, { isUpdate: flags.update === true });
    });
}

export function addGraphCommand(agent: Command): void {
  agent
    .command("graph")
    .description("draw the components and what flows between them")
    .argument("<path>", "a .alloy file, or a folder of them")
    .option("--format <FORMAT>", "dot (Graphviz), svg (a picture), mermaid (for wikis)", "dot")
    .addHelpText("after", GRAPH_EXAMPLES)
    .action(async (path: string, { format }: { readonly format: string }) => {
      const { printAgentGraph } = await import("./agent-file-commands.ts");
      await printAgentGraph(path, format);
    });
}

const GRAPH_EXAMPLES = `
Arrows point where logs, samples, targets and other exports flow to. The same picture with live rates stands on the
pages of a running agent, http://127.0.0.1:12345.

Examples:
  finch agent graph config.alloy --format svg > graph.svg
  finch agent graph config.alloy | dot -Tpdf > graph.pdf
  finch agent graph config.alloy --format mermaid      to paste into a page of a wiki
`;

const TEST_EXAMPLES = `
A test is a YAML file. To begin, say what goes in, and let --update write what comes out:

  # app.test.yaml
  config:
    path: config.alloy              # or the text itself: config: |
  inputs:
    loki:
      - components: [loki.process.app.receiver]
        labels: { job: app }
        lines: |
          level=info msg="up"
          level=debug msg="noise"

  $ finch agent test --update app.test.yaml
  $ tail -6 app.test.yaml
  expect:
    loki:
      loki.write.default:
        - line: level=info msg="up"
          labels: { job: app, level: info }
    dropped:
      loki.process.app:
        drop_stage: 1

loki.process, loki.relabel, prometheus.relabel and discovery.relabel run, otelcol components between lines, samples
and OpenTelemetry, and modules around them. Nothing else does: nothing is read, listened to or sent. Sinks keep what
reaches them; a source that is named in components sends what is given; discovery components export no targets unless
exports: says which. The clock stands still, and moves when an input says after: 5s, so that rates and multiline waits
come out the same each time.

Examples:
  finch agent test .                         every test below this folder
  finch agent test app.test.yaml --update    accept what came out, then look at the difference with git diff

Exit codes: 0 all pass, 1 some fail, 2 wrong call. All keys: docs/reference/agent-test.md
`;
