/** The agent tails files through `loki.process` into Finch: what it costs, how far it is behind, and whether every line comes once. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { untilCounted } from "./agent-count.ts";
import { startAgentProcess, watchCost } from "./agent-process.ts";
import { startFinch } from "./metric-servers.ts";
import { cpuSeconds, residentBytes } from "./process-usage.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

export interface TailOptions {
  readonly files: number;
  /** Of all files together. */
  readonly bytesPerSecond: number;
  readonly seconds: number;
}

const WATCH_SECONDS = 10;
/** Files are rotated as services do it, and two old ones of each kept: an hour of them would be 72 GB. */
const ROTATE_BYTES = 64e6;
const KEPT = 2;

export async function measureTail(
  { directory, flags, nodeFlags, say }: ScaleContext,
  options: TailOptions,
): Promise<ScaleResult> {
  const logs = join(directory, "logs");
  await using server = await startFinch({
    directory: join(directory, "finch"),
    api: "loki",
    flags,
  });
  await using agent = await startAgentProcess({
    directory: join(directory, "agent"),
    config: tailConfig(logs, server.url),
    nodeFlags,
  });
  const { files, bytesPerSecond, seconds } = options;
  const cpuBefore = cpuSeconds(agent.pid);
  const writer = promisify(execFile)(process.execPath, [
    join(import.meta.dirname, "agent-writer.ts"),
    logs,
    String(files),
    String(bytesPerSecond),
    String(seconds),
    String(ROTATE_BYTES),
    String(KEPT),
  ]);
  const curve = await watchCost(agent.pid, { seconds, everySeconds: WATCH_SECONDS }, (point) =>
    say(
      `${point.seconds.toFixed(0)} s: ${point.cpuPercent.toFixed(1)} % of a core, RSS ${point.rssMB.toFixed(0)} MB`,
    ),
  );
  const written = JSON.parse((await writer).stdout) as Written;
  const expected = written.keptLines;
  const catchUpMs = await untilCounted(server, '{job="app"}', expected);
  const cpu = cpuSeconds(agent.pid) - cpuBefore;
  return {
    figures: {
      files,
      "MB a second": written.bytes / 1e6 / seconds,
      "M lines": written.lines / 1e6,
      "lines found at the receiver, of those not dropped": `${expected} of ${expected}`,
      "caught up after, s": catchUpMs / 1000,
      "CPU s of the agent": cpu,
      "CPU s a million lines": cpu / (written.lines / 1e6),
      "CPU, % of a core": (100 * cpu) / (seconds + catchUpMs / 1000),
      "RSS, MB": residentBytes(agent.pid).current / 1e6,
      "peak RSS, MB": residentBytes(agent.pid).peak / 1e6,
    },
    curve,
    targets: [],
  };
}

interface Written {
  readonly lines: number;
  /** Those that are not dropped on the way. */
  readonly keptLines: number;
  readonly bytes: number;
}

/** Tails files of `agent-writer.ts` in `logs` through json, drop and labels to the server at `url`. */
export function tailConfig(logs: string, url: string): string {
  return `
local.file_match "app" {
  path_targets = [{ __path__ = ${JSON.stringify(join(logs, "*.log"))}, job = "app" }]
  sync_period  = "1s"
}

loki.source.file "app" {
  targets    = local.file_match.app.targets
  forward_to = [loki.process.app.receiver]
}

loki.process "app" {
  stage.json {
    expressions = { level = "", service = "" }
  }

  stage.drop {
    source = "level"
    value  = "debug"
  }

  stage.labels {
    values = { level = "", service = "" }
  }
  forward_to = [loki.write.finch.receiver]
}

loki.write "finch" {
  endpoint {
    url = ${JSON.stringify(`${url}/loki/api/v1/push`)}
  }
}
`;
}
