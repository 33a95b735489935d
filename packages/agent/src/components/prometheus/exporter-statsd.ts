/** `prometheus.exporter.statsd`: takes StatsD and shows it as metrics, by the mappings of statsd_exporter. */
import { readFile } from "node:fs/promises";
import { FinchError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { moot, notYet, oneOf, optional, type ValuesOf } from "../../schema.ts";
import {
  NO_MAPPINGS,
  parseMappingConfig,
  type MappingConfig,
} from "../../statsd/mapping-config.ts";
import { listenTcp, listenUdp, parseStatsdAddress } from "../../statsd/listeners.ts";
import { StatsdReceiver } from "../../statsd/receiver.ts";
import { formatFamilies } from "../../unix/family.ts";
import { exporterBuild } from "./exporter-metrics.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const NO_QUEUE = "events are counted as they come";

const ARGUMENTS = {
  listen_udp: optional("string", ":9125", "UDP address to listen on; empty: none."),
  listen_tcp: optional("string", ":9125", "TCP address to listen on; empty: none."),
  listen_unixgram: notYet("attribute", "Unix socket for datagrams."),
  unix_socket_mode: moot("string", "755", "there is no Unix socket"),
  mapping_config_path: optional("string", "", "File with mappings, as statsd_exporter has them."),
  read_buffer: optional("number", 0, "Bytes of datagrams that the system keeps; 0 leaves it.", {
    min: 0,
  }),
  cache_size: optional("number", 1000, "Names whose mapping is remembered; 0: none.", { min: 0 }),
  cache_type: oneOf(
    ["lru", "random"],
    "lru",
    "Which name is forgotten; here always the one unused for longest.",
  ),
  event_queue_size: moot("number", 10_000, NO_QUEUE),
  event_flush_threshold: moot("number", 1000, NO_QUEUE),
  event_flush_interval: moot("duration", 200, NO_QUEUE),
  parse_dogstatsd_tags: optional("bool", true, "Read tags behind the type: name:1|c|#tag:value."),
  parse_influxdb_tags: optional("bool", true, "Read tags in the name: name,tag=value:1|c."),
  parse_librato_tags: optional("bool", true, "Read tags in the name: name#tag=value:1|c."),
  parse_signalfx_tags: optional("bool", true, "Read tags in the name: name[tag=value]:1|c."),
  relay_addr: notYet("attribute", "Where all lines are sent on to."),
  relay_packet_length: moot("number", 1400, "lines are not sent on"),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

export const exporterStatsd = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.statsd",
  stability: "generally-available",
  summary: "Receives StatsD and exposes it as metrics.",
  arguments: ARGUMENTS,
  exports: { targets: "One target." },
  check: findFault,
  run: (context, signal) => runExporter(context, (values) => open(context, values), signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const { listen_udp: udp, listen_tcp: tcp } = values;
  if (udp === "" && tcp === "")
    return { message: "give at least one of listen_udp and listen_tcp" };
  for (const name of ["listen_udp", "listen_tcp"] as const)
    if (values[name] !== "" && parseStatsdAddress(values[name]) === undefined)
      return {
        at: name,
        message: `${JSON.stringify(values[name])} is no address; write HOST:PORT, such as :9125`,
      };
  return undefined;
}

async function open(context: Context, values: Arguments): Promise<OpenExporter> {
  const receiver = new StatsdReceiver({
    clock: context.clock,
    config: await readMappings(values.mapping_config_path),
    cacheMax: values.cache_size,
    styles: {
      dogstatsd: values.parse_dogstatsd_tags,
      influxdb: values.parse_influxdb_tags,
      librato: values.parse_librato_tags,
      signalfx: values.parse_signalfx_tags,
    },
  });
  await using listeners = new AsyncDisposableStack();
  const { listen_udp: udp, listen_tcp: tcp, read_buffer: buffer } = values;
  if (udp !== "") listeners.use(await listenUdp(parseStatsdAddress(udp)!, receiver.events, buffer));
  if (tcp !== "") listeners.use(await listenTcp(parseStatsdAddress(tcp)!, receiver.events));
  const open = listeners.move();
  return {
    targets: [exporterTarget(context, "statsd", {}, { instance: context.id })],
    scrape: () =>
      Promise.resolve(formatFamilies([...receiver.families(), exporterBuild("statsd_exporter")])),
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

async function readMappings(path: string): Promise<MappingConfig> {
  if (path === "") return NO_MAPPINGS;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new FinchError("invalid", "agent/statsd-mappings", `cannot read ${path}`, { cause });
  }
  return parseMappingConfig(text, path);
}
