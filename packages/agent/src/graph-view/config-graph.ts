/** The flow graph of configuration files, without running them; behind `finch agent graph`. What Finch does not build yet is drawn, too. */
import type { FileSystem } from "@finch/runtime";
import { ALLOY_COMPONENTS } from "../alloy-names.ts";
import type { ComponentDefinition } from "../component.ts";
import { COMPONENTS } from "../components/index.ts";
import type { ComponentLoader } from "../components/index.ts";
import { buildGraph } from "../runtime/build-graph.ts";
import { ConfigError } from "../runtime/config-error.ts";
import { asFiles, readConfig } from "../runtime/config-source.ts";
import type { ConfigSource } from "../runtime/config-source.ts";
import { libraryOf } from "../runtime/environment.ts";
import { createTextImportLoader } from "../runtime/import-loader.ts";
import { NEUTRAL_ENVIRONMENT, neutralVocabulary } from "../runtime/validate.ts";
import { flowGraphOf } from "./flow-graph.ts";
import type { FlowGraph } from "./flow-graph.ts";

/**
 * Components and what flows between them. Throws a {@link ConfigError} for what cannot be parsed and for references to nothing; arguments are not
 * looked at, that is for validation.
 */
export async function graphConfig(
  config: ConfigSource,
  fileSystem: FileSystem,
): Promise<FlowGraph> {
  const library = libraryOf(NEUTRAL_ENVIRONMENT);
  const imports = createTextImportLoader(library, fileSystem);
  const graph = await buildGraph(
    asFiles(await readConfig(config, fileSystem)),
    neutralVocabulary({ library, imports, components: allComponents() }),
  );
  const errors = graph.diagnostics.filter(
    ({ severity, kind }) => severity === "error" && kind !== "unsupported",
  );
  if (errors.length > 0) throw new ConfigError(errors);
  return flowGraphOf(graph, (name) => Object.hasOwn(COMPONENTS, name));
}

function allComponents(): Readonly<Record<string, ComponentLoader>> {
  const missing = [...ALLOY_COMPONENTS].filter((name) => !Object.hasOwn(COMPONENTS, name));
  return {
    ...Object.fromEntries(missing.map((name) => [name, () => Promise.resolve(unbuilt(name))])),
    ...COMPONENTS,
  };
}

/** Names of exports that components have which Finch does not build. */
const EXPORTS = [
  "content",
  "data",
  "exporter",
  "handler",
  "input",
  "output",
  "receiver",
  "rules",
  "sampler",
  "targets",
];

function unbuilt(name: string): ComponentDefinition {
  return {
    name,
    stability: "generally-available",
    summary: "",
    arguments: {},
    exports: Object.fromEntries(EXPORTS.map((one) => [one, ""])),
    run: () => Promise.resolve(),
  };
}
