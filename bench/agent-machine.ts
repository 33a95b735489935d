/** The agent watches a machine with containers: their logs from a real engine, the journal of a real journald, host metrics. What that costs, and whether every line comes once. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { noDockerd, startDockerd } from "../packages/agent/test/docker-daemon.ts";
import { noJournald, startJournald } from "../packages/agent/test/journald.ts";
import { startAgentProcess, watchCost } from "./agent-process.ts";
import { askSum, untilCounted } from "./agent-count.ts";
import { freePort, startFinch } from "./metric-servers.ts";
import { cpuSeconds, residentBytes } from "./process-usage.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

export interface MachineOptions {
  readonly containers: number;
  readonly seconds: number;
}

const RSS_MB_MAX = 100;
const CPU_PERCENT_MAX = 2;
const WATCH_SECONDS = 15;
/** A line a second of each container and of the journal. */
const JOURNAL_MS = 1000;

export async function measureMachine(
  { directory, flags, nodeFlags, say }: ScaleContext,
  { containers, seconds }: MachineOptions,
): Promise<ScaleResult> {
  const missing = noDockerd() || noJournald();
  if (missing !== false) throw new Error(`not measured: ${missing}`);
  const folder = (name: string) => {
    mkdirSync(join(directory, name));
    return join(directory, name);
  };
  await using docker = await startDockerd(folder("docker"));
  const journal = folder("journal");
  await using journald = await startJournald(journal);
  const metrics = `127.0.0.1:${await freePort()}`;
  await using server = await startFinch({
    directory: join(directory, "finch"),
    api: "loki",
    flags: [`--listen-prometheus=${metrics}`, ...flags],
  });
  const script = `for i in $(seq ${seconds}); do echo "level=info n=$i msg=served"; sleep 1; done; sleep 1000000`;
  for (let n = 0; n < containers; n++) await docker.run(`app-${n}`, script);
  await using agent = await startAgentProcess({
    directory: join(directory, "agent"),
    config: machineConfig({
      docker: docker.host,
      journal: join(journal, "log"),
      logs: server.url,
      metrics: `http://${metrics}`,
    }),
    nodeFlags,
  });
  let written = 0;
  const writing = setInterval(() => {
    journald.write(`tick ${++written}`, "user.info");
  }, JOURNAL_MS);
  const cpuBefore = cpuSeconds(agent.pid);
  const curve = await watchCost(agent.pid, { seconds, everySeconds: WATCH_SECONDS }, (point) =>
    say(
      `${point.seconds.toFixed(0)} s: ${point.cpuPercent.toFixed(1)} % of a core, RSS ${point.rssMB.toFixed(0)} MB`,
    ),
  ).finally(() => clearInterval(writing));
  const cpuPercent = (100 * (cpuSeconds(agent.pid) - cpuBefore)) / seconds;
  const peakMB = residentBytes(agent.pid).peak / 1e6;
  await untilCounted(server, '{job="containers"}', containers * seconds);
  await untilCounted(server, '{job="journal"} |= "tick"', written);
  const families = await askSum(
    { url: `http://${metrics}`, path: "/api/v1/query" },
    'count(count by (__name__) ({job="integrations/unix"}))',
  );
  return {
    figures: {
      containers,
      "their lines, each once": containers * seconds,
      "lines of the journal, each once": written,
      "families of host metrics": families,
      "RSS, MB": residentBytes(agent.pid).current / 1e6,
    },
    curve,
    targets: [
      { what: "peak RSS, MB", value: peakMB, limit: RSS_MB_MAX },
      { what: "CPU, % of a core", value: cpuPercent, limit: CPU_PERCENT_MAX },
    ],
  };
}

function machineConfig(where: Readonly<Record<"docker" | "journal" | "logs" | "metrics", string>>) {
  return `
discovery.docker "all" {
  host = ${JSON.stringify(where.docker)}
}

discovery.relabel "all" {
  targets = discovery.docker.all.targets

  rule {
    source_labels = ["__meta_docker_container_name"]
    regex         = "/(.*)"
    target_label  = "container"
  }
}

loki.source.docker "all" {
  host       = ${JSON.stringify(where.docker)}
  targets    = discovery.relabel.all.output
  labels     = { job = "containers" }
  forward_to = [loki.write.finch.receiver]
}

loki.source.journal "all" {
  path       = ${JSON.stringify(where.journal)}
  labels     = { job = "journal" }
  forward_to = [loki.write.finch.receiver]
}

loki.write "finch" {
  endpoint {
    url = ${JSON.stringify(`${where.logs}/loki/api/v1/push`)}
  }
}

prometheus.exporter.unix "host" { }

prometheus.scrape "host" {
  targets         = prometheus.exporter.unix.host.targets
  job_name        = "host"
  scrape_interval = "15s"
  forward_to      = [prometheus.remote_write.finch.receiver]
}

prometheus.remote_write "finch" {
  endpoint {
    url = ${JSON.stringify(`${where.metrics}/api/v1/write`)}
  }
}
`;
}
