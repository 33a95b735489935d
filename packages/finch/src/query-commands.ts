/** The commands that ask a running Finch: `finch query metrics|logs` and `finch tail`. */
import type { Command } from "commander";

export interface QueryFlags {
  readonly url?: string;
  readonly since: string;
  readonly step?: string;
  readonly limit: string;
  readonly output: string;
}

export interface TailFlags {
  readonly url?: string;
  readonly since: string;
  readonly output: string;
}

/** Where a Finch with default listeners answers both languages. */
const URL_DOC = "address of Finch (default http://127.0.0.1:3000)";
const OUTPUT_DOC = "table for people, json for programs";

export function addQueryCommands(program: Command): void {
  const query = program.command("query").description("ask a running Finch in PromQL or LogQL");
  query
    .command("metrics")
    .description("evaluate a PromQL query over a range and show each series with a small chart")
    .argument("<query>", "PromQL")
    .option("--since <DURATION>", "how far back to look", "1h")
    .option("--step <DURATION>", "time between two points (default: 60 points)")
    .option("--limit <COUNT>", "series to show at most", "100")
    .option("--output <FORMAT>", OUTPUT_DOC, "table")
    .option("--url <URL>", URL_DOC)
    .addHelpText("after", METRICS_EXAMPLES)
    .action(async (text: string, flags: QueryFlags) => {
      const { queryMetrics } = await import("./query-metrics.ts");
      await queryMetrics(text, flags);
    });
  query
    .command("logs")
    .description("show the log lines that a LogQL query selects, oldest first")
    .argument("<query>", "LogQL")
    .option("--since <DURATION>", "how far back to look", "1h")
    .option("--limit <COUNT>", "lines to show at most, the newest", "100")
    .option("--output <FORMAT>", OUTPUT_DOC, "table")
    .option("--url <URL>", URL_DOC)
    .addHelpText("after", LOGS_EXAMPLES)
    .action(async (text: string, flags: QueryFlags) => {
      const { queryLogs } = await import("./query-logs.ts");
      await queryLogs(text, flags);
    });
  program
    .command("tail")
    .description("follow log lines as they come, until Ctrl-C")
    .argument("<query>", "LogQL, such as '{service_name=\"finch\"}'")
    .option("--since <DURATION>", "first show what came in the last …", "5m")
    .option("--output <FORMAT>", OUTPUT_DOC, "table")
    .option("--url <URL>", URL_DOC)
    .addHelpText("after", '\nExample:\n  finch tail \'{job="finch"} |= "error"\' --since 1h\n')
    .action(async (text: string, flags: TailFlags) => {
      const { tailLogs } = await import("./query-logs.ts");
      await tailLogs(text, flags);
    });
}

const METRICS_EXAMPLES = `
Examples:
  finch query metrics 'node_load1'
  finch query metrics 'sum by (mode) (rate(node_cpu_seconds_total[5m]))' --since 6h --step 5m
  finch query metrics 'up' --output json | jq .data.result
`;

const LOGS_EXAMPLES = `
Examples:
  finch query logs '{job="finch"}'
  finch query logs '{service_name=~".+"} |= "error"' --since 24h --limit 500
`;
