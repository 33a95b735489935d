/** `prometheus.exporter.postgres`: statistics of PostgreSQL servers and queries of users, asked for when it is scraped. */
import { readFile } from "node:fs/promises";
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { COLLECTORS_NOT_YET } from "../../postgres/collectors.ts";
import { parseDataSource } from "../../postgres/dsn.ts";
import { PostgresExporter } from "../../postgres/exporter.ts";
import { hashOf, parseUserQueries, type UserQueries } from "../../postgres/user-queries.ts";
import { block, optional, required, type ValuesOf } from "../../schema.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const ARGUMENTS = {
  data_source_names: required(
    "list(secret)",
    "Servers, as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=…`.",
  ),
  disable_settings_metrics: optional("bool", false, "Leave out pg_settings_*."),
  disable_default_metrics: optional(
    "bool",
    false,
    "Only queries of custom_queries_config_path, and settings.",
  ),
  custom_queries_config_path: optional(
    "string",
    "",
    "File with further queries, in the YAML of postgres_exporter.",
  ),
  enabled_collectors: optional(
    "list(string)",
    [],
    "Collectors in place of the default ones; they run on the first server.",
  ),
  autodiscovery: block(
    {
      enabled: optional("bool", false, "Whether to ask the other databases of a server too."),
      database_allowlist: optional("list(string)", [], "Only these databases; empty: all."),
      database_denylist: optional("list(string)", [], "Not these databases."),
    },
    { repeat: "one", doc: "Sends the custom queries to the other databases of a server too." },
  ),
  stat_statements: block(
    {
      include_query: optional("bool", false, "Show the texts of statements."),
      query_length: optional("number", 120, "Characters of a statement's text.", { min: 1 }),
      limit: optional("number", 100, "Most statements.", { min: 1, max: 10_000 }),
      exclude_databases: optional("list(string)", [], "Databases to leave out."),
      exclude_users: optional("list(string)", [], "Users to leave out."),
    },
    { repeat: "one", doc: "Options of the stat_statements collector, which is off by default." },
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

export const exporterPostgres = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.postgres",
  stability: "generally-available",
  summary: "Exposes statistics of PostgreSQL, and what queries of your own answer.",
  arguments: ARGUMENTS,
  exports: { targets: "Target to scrape the statistics from." },
  check: findFault,
  run: (context, signal) =>
    runExporter(context, (values) => Promise.resolve(open(context, values)), signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (values.data_source_names.length === 0)
    return { at: "data_source_names", message: "name at least one server" };
  for (const [index, name] of values.data_source_names.entries()) {
    try {
      parseDataSource(name.reveal());
    } catch (error) {
      return { at: "data_source_names", message: `number ${index + 1}: ${describeError(error)}` };
    }
  }
  for (const name of values.enabled_collectors) {
    if (PostgresExporter.collectorNames.includes(name)) continue;
    const message = COLLECTORS_NOT_YET.includes(name)
      ? `not supported yet: collector ${name}`
      : `there is no collector ${JSON.stringify(name)}; there are ${PostgresExporter.collectorNames.join(", ")}`;
    return { at: "enabled_collectors", message };
  }
  return undefined;
}

function open(context: Context, values: Arguments): OpenExporter {
  const sources = values.data_source_names.map((name) => parseDataSource(name.reveal()));
  const { autodiscovery, stat_statements: statements } = values;
  const exporter = new PostgresExporter({
    sources,
    collectors:
      values.enabled_collectors.length > 0
        ? values.enabled_collectors
        : PostgresExporter.defaultCollectors,
    statStatements: {
      includeQuery: statements.include_query,
      queryLength: statements.query_length,
      limit: statements.limit,
      excludeDatabases: statements.exclude_databases,
      excludeUsers: statements.exclude_users,
    },
    settings: !values.disable_settings_metrics,
    defaultMetrics: !values.disable_default_metrics,
    discovery: autodiscovery.enabled
      ? { allow: autodiscovery.database_allowlist, deny: autodiscovery.database_denylist }
      : undefined,
    clock: context.clock,
    log: context.log,
  });
  const path = values.custom_queries_config_path;
  const [only] = sources;
  return {
    targets: [
      exporterTarget(
        context,
        "postgres",
        {},
        sources.length === 1 ? { instance: only!.instance } : {},
      ),
    ],
    scrape: async ({ signal }) => {
      const loaded = path === "" ? undefined : await loadQueries(context, path);
      const families = await exporter.scrape(loaded?.queries ?? [], signal);
      if (loaded !== undefined) {
        families
          .take(
            "gauge",
            "pg_exporter_user_queries_load_error",
            "Whether the user queries file was loaded and parsed successfully (1 for error, 0 for success).",
          )
          .add(loaded.failed ? 1 : 0, "filename", path, "hashsum", loaded.hash);
      }
      return families.text();
    },
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
}

/** The file is read at each scrape: it is small, and what was mended works at once. */
async function loadQueries(
  context: Context,
  path: string,
): Promise<UserQueries & { readonly failed: boolean }> {
  let text = "";
  try {
    text = await readFile(path, "utf8");
    const loaded = parseUserQueries(text, path);
    context.setHealth("healthy", "answers scrapes");
    return { ...loaded, failed: false };
  } catch (error) {
    context.setHealth("unhealthy", describeError(error));
    return { queries: [], hash: hashOf(text), failed: true };
  }
}
