/** `prometheus.exporter.redis`: what redis_exporter shows of a Redis, a Valkey or a KeyDB, asked for when it is scraped. */
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { loadTls } from "../../http-tls.ts";
import { parseRedisAddress, redactedAddress } from "../../redis/address.ts";
import { parseRedisKey, type RedisKey } from "../../redis/keys.ts";
import { scrapeRedis, type RedisSettings } from "../../redis/scrape.ts";
import { maybe, moot, notYet, optional, required, type ValuesOf } from "../../schema.ts";
import { exporterMetrics } from "./exporter-metrics.ts";
import { formatFamilies } from "../../unix/family.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const KEYS_DOC = "as `db3=NAME`, or NAME of database 0";

const ARGUMENTS = {
  redis_addr: required(
    "string",
    "HOST:PORT, redis://HOST:PORT/DB, rediss:// with TLS, or unix:///PATH.",
  ),
  redis_user: optional("string", "", "User, where the server has users."),
  redis_password: maybe("secret", "Password."),
  redis_password_file: optional("string", "", "File with the password; it wins."),
  redis_password_map_file: optional(
    "string",
    "",
    "JSON file with passwords by address, such as redis://USER@HOST:PORT.",
  ),
  namespace: optional("string", "redis", "What names of metrics begin with."),
  config_command: optional("string", "CONFIG", "What CONFIG is called there; - asks nothing."),
  check_keys: optional("list(string)", [], `Patterns of keys to look at, ${KEYS_DOC}.`),
  check_single_keys: optional("list(string)", [], `Keys to look at, ${KEYS_DOC}.`),
  check_streams: optional("list(string)", [], `Patterns of streams to look at, ${KEYS_DOC}.`),
  check_single_streams: optional("list(string)", [], `Streams to look at, ${KEYS_DOC}.`),
  count_keys: optional("list(string)", [], `Patterns whose keys are counted, ${KEYS_DOC}.`),
  check_key_groups_batch_size: optional(
    "number",
    10_000,
    "Keys that are asked for at once while patterns are looked up.",
    { min: 1 },
  ),
  check_key_groups: notYet("attribute", "Keys by what Lua expressions make of their names."),
  max_distinct_key_groups: moot("number", 100, "key groups are not built"),
  export_key_values: optional("bool", true, "Whether values of strings are shown."),
  script_path: notYet("attribute", "Lua script that gives metrics."),
  script_paths: notYet("attribute", "Lua scripts that give metrics."),
  connection_timeout: optional("duration", 15_000, "For connecting, and for each reply.", {
    min: 1,
  }),
  tls_client_cert_file: optional("string", "", "File with the client's certificate."),
  tls_client_key_file: optional("string", "", "File with its key."),
  tls_ca_cert_file: optional("string", "", "File with the authority to trust."),
  skip_tls_verification: optional("bool", false, "Accept any certificate."),
  set_client_name: optional("bool", true, "Whether the connection is named redis_exporter."),
  ping_on_connect: optional("bool", false, "Measure a PING, too."),
  incl_system_metrics: optional("bool", false, "Show total_system_memory_bytes."),
  export_client_list: optional("bool", false, "Show each client."),
  export_client_port: optional("bool", false, "Show ports of clients, a new series for each."),
  redis_metrics_only: moot("bool", false, "there are no metrics of a Go program to leave out"),
  include_exporter_metrics: optional("bool", false, "Add metrics of the exporter's own process."),
  is_cluster: optional("bool", false, "Not supported yet: keys of other nodes of a cluster."),
  is_tile38: optional("bool", false, "Not supported yet: metrics of Tile38."),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

export const exporterRedis = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.redis",
  stability: "generally-available",
  summary: "Exposes statistics of a Redis server, and of keys and streams in it.",
  arguments: ARGUMENTS,
  exports: { targets: "One target." },
  check: findFault,
  run: (context, signal) => runExporter(context, (values) => open(context, values), signal),
});

const KEY_LISTS = [
  "check_keys",
  "check_single_keys",
  "check_streams",
  "check_single_streams",
  "count_keys",
] as const;

function findFault(values: Arguments): ArgumentFault | undefined {
  const { redis_addr: address } = values;
  if (parseRedisAddress(address) === undefined)
    return {
      at: "redis_addr",
      message: `${JSON.stringify(redactedAddress(address))} is no address; write HOST:PORT, redis://HOST:PORT or unix:///PATH`,
    };
  for (const name of ["is_cluster", "is_tile38"] as const)
    if (values[name]) return { at: name, message: `not supported yet: ${name} = true` };
  if (values.redis_password_file !== "" && values.redis_password_map_file !== "")
    return {
      at: "redis_password_map_file",
      message: "give at most one of redis_password_file and redis_password_map_file",
    };
  if ((values.tls_client_cert_file === "") !== (values.tls_client_key_file === ""))
    return { message: "tls_client_cert_file and tls_client_key_file go together" };
  for (const name of KEY_LISTS) {
    try {
      keysOf(values[name]);
    } catch (error) {
      return { at: name, message: describeError(error) };
    }
  }
  return undefined;
}

/** Several may stand in one text, separated by commas, as redis_exporter takes them. */
function keysOf(texts: readonly string[]): readonly RedisKey[] {
  return texts
    .flatMap((text) => text.split(","))
    .filter((text) => text !== "")
    .map(parseRedisKey);
}

async function open(context: Context, values: Arguments): Promise<OpenExporter> {
  const { clock, log } = context;
  const settings = await settingsOf(values);
  const counts = { scrapes: 0, seconds: 0 };
  const instance = redactedAddress(values.redis_addr);
  return {
    targets: [exporterTarget(context, "redis", {}, { instance })],
    scrape: async ({ signal }) => {
      const tls = () => loadTls(tlsOf(values));
      const text = await scrapeRedis(settings, { clock, log, loadTls: tls, counts }, signal);
      if (!values.include_exporter_metrics) return text;
      return text + formatFamilies(exporterMetrics(clock, counts.scrapes));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function settingsOf(values: Arguments): Promise<RedisSettings> {
  const address = parseRedisAddress(values.redis_addr)!;
  return {
    address,
    user: values.redis_user || address.user,
    password: await passwordOf(values, address.password),
    timeoutMs: values.connection_timeout,
    namespace: values.namespace,
    configCommand: values.config_command || "CONFIG",
    setsClientName: values.set_client_name,
    pings: values.ping_on_connect,
    withSystemMetrics: values.incl_system_metrics,
    withClients: values.export_client_list,
    withClientPorts: values.export_client_port,
    withKeyValues: values.export_key_values,
    keys: keysOf(values.check_keys),
    singleKeys: keysOf(values.check_single_keys),
    streams: keysOf(values.check_streams),
    singleStreams: keysOf(values.check_single_streams),
    countedKeys: keysOf(values.count_keys),
    scanBatch: values.check_key_groups_batch_size,
  };
}

async function passwordOf(values: Arguments, ofAddress: string): Promise<string> {
  const { redis_password_file: file, redis_password_map_file: mapFile } = values;
  if (file !== "") return (await readText(file)).trim();
  if (mapFile !== "") {
    const found = passwordIn(await readText(mapFile), values, mapFile);
    if (found !== undefined) return found;
  }
  return values.redis_password?.reveal() ?? ofAddress;
}

function passwordIn(text: string, values: Arguments, path: string): string | undefined {
  let map: unknown;
  try {
    map = JSON.parse(text);
  } catch (cause) {
    throw new FinchError("invalid", "agent/redis-passwords", `${path} is no JSON`, { cause });
  }
  const { redis_addr: address, redis_user: user } = values;
  const url = new URL(address.includes("://") ? address : `redis://${address}`);
  if (user !== "") url.username = user;
  const password = (map as Readonly<Record<string, unknown>> | null)?.[url.href.replace(/\/$/, "")];
  return typeof password === "string" && password !== "" ? password : undefined;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new FinchError("invalid", "agent/redis-passwords", `cannot read ${path}`, { cause });
  }
}

function tlsOf(values: Arguments): Parameters<typeof loadTls>[0] {
  const given = (path: string) => (path === "" ? undefined : path);
  return {
    caPem: undefined,
    caFile: given(values.tls_ca_cert_file),
    certPem: undefined,
    certFile: given(values.tls_client_cert_file),
    keyPem: undefined,
    keyFile: given(values.tls_client_key_file),
    serverName: undefined,
    insecureSkipVerify: values.skip_tls_verification,
    minVersion: undefined,
  };
}
