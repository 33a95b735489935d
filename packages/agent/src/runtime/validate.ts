/** Checks and formats configurations without running them; behind `finch agent validate|fmt`. */
import { formatFile, parseFile, Source } from "@finch/alloy-syntax";
import type { Diagnostic, LibraryEnvironment } from "@finch/alloy-syntax";
import { nodeFileSystem } from "@finch/runtime";
import type { FileSystem } from "@finch/runtime";
import { COMPONENTS } from "../components/index.ts";
import { checkGraph } from "./check.ts";
import { ConfigError } from "./config-error.ts";
import { asFiles, readConfig } from "./config-source.ts";
import type { ConfigSource } from "./config-source.ts";
import { libraryOf } from "./environment.ts";
import { buildGraph } from "./build-graph.ts";
import type { Graph, Vocabulary } from "./graph.ts";
import { createTextImportLoader } from "./import-loader.ts";
import { defineHttp } from "../settings/http-block.ts";
import { defineLiveDebugging } from "../settings/livedebugging-block.ts";
import { defineRemotecfg } from "../settings/remotecfg-block.ts";
import { TRACING } from "../settings/tracing-block.ts";
import { defineLogging, LOGGING_DEFAULTS } from "./logging.ts";

/** For checking: reads no variable and names no machine. */
export const NEUTRAL_ENVIRONMENT: LibraryEnvironment = {
  env: () => undefined,
  hostname: "localhost",
  os: "linux",
  arch: "amd64",
  version: "v0.0.0",
};

/** Everything there is, with settings of the agent that change nothing. */
export function neutralVocabulary(
  given: Pick<Vocabulary, "library" | "imports" | "components">,
): Vocabulary {
  const livedebugging = defineLiveDebugging({ configure: () => {} });
  const logging = defineLogging({ settings: LOGGING_DEFAULTS, setWriteTo: () => {} });
  const http = defineHttp({ set: () => {} }, { servesTls: true });
  const remotecfg = defineRemotecfg({
    build: () => Promise.reject(new Error("nothing is run here")),
    storagePath: "",
    version: NEUTRAL_ENVIRONMENT.version,
    os: NEUTRAL_ENVIRONMENT.os,
  });
  const singleBlocks = { http, livedebugging, logging, remotecfg, tracing: TRACING };
  return { ...given, stability: "experimental", singleBlocks };
}

async function loadGraph(
  sources: readonly Source[],
  stability: Vocabulary["stability"] = "experimental",
  kind: "root" | "remote" = "root",
): Promise<{ readonly graph: Graph; readonly diagnostics: readonly Diagnostic[] }> {
  const library = libraryOf(NEUTRAL_ENVIRONMENT);
  const imports = createTextImportLoader(library, nodeFileSystem);
  const graph = await buildGraph(
    asFiles(sources),
    { ...neutralVocabulary({ library, imports, components: COMPONENTS }), stability },
    { kind },
  );
  return { graph, diagnostics: checkGraph(graph, library) };
}

/** Everything wrong with a configuration that can be known without running it; empty when it is fine. */
export async function validateConfig(text: string, name: string): Promise<readonly Diagnostic[]> {
  return (await loadGraph([new Source(name, text)])).diagnostics;
}

/** As {@link validateConfig}, for what a service gives by `remotecfg`: settings of the agent itself may not stand there. */
export async function validateRemoteConfig(
  text: string,
  name: string,
): Promise<readonly Diagnostic[]> {
  return (await loadGraph([new Source(name, text)], "experimental", "remote")).diagnostics;
}

/** As {@link validateConfig}, for several files that make one configuration; components less mature than `stability` are refused. */
export async function validateFiles(
  files: readonly { readonly name: string; readonly text: string }[],
  { stability }: Pick<Vocabulary, "stability">,
): Promise<readonly Diagnostic[]> {
  const sources = files.map(({ name, text }) => new Source(name, text));
  return (await loadGraph(sources, stability)).diagnostics;
}

/** As {@link validateFiles}, for a file or a directory. */
export async function validateConfigAt(
  config: ConfigSource,
  { fileSystem, stability }: Pick<Vocabulary, "stability"> & { readonly fileSystem: FileSystem },
): Promise<readonly Diagnostic[]> {
  return (await loadGraph(await readConfig(config, fileSystem), stability)).diagnostics;
}

/** The text as `alloy fmt` writes it; throws a {@link ConfigError} when it does not parse. */
export function formatConfig(text: string, name = "config.alloy"): string {
  const { file, diagnostics } = parseFile(new Source(name, text));
  if (diagnostics.length > 0) throw new ConfigError(diagnostics);
  return formatFile(file);
}
