/**
 * The `remotecfg` block: asks a service for a configuration, and runs it as a module beside the one in the file. What the service gave last and
 * was in order is kept on disk, and used at a start while the service is away; what is refused leaves the last one running.
 */
import { describeError } from "@finch/runtime";
import { defineComponent } from "../component.ts";
import type { ComponentDefinition } from "../component.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../http-client-schema.ts";
import type { ModuleContext } from "../runtime/custom-component.ts";
import type { Graph } from "../runtime/graph.ts";
import type { ImportContents } from "../runtime/import-content.ts";
import { maybe, optional } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";
import { RemoteConfig } from "./remotecfg-session.ts";
import { readSeed } from "./seed.ts";

/** Namespace of attributes that the agent sets itself. */
const RESERVED = "collector.";

const REMOTECFG_ARGUMENTS = {
  url: optional("string", "", "Address of the service; empty: none is asked."),
  id: maybe("string", "Id of this agent; one that is kept below the storage path when absent."),
  name: optional("string", "", "Name of this agent, for people."),
  attributes: optional("map(string)", {}, "What the service chooses a configuration by."),
  poll_frequency: optional("duration", 60_000, "How often the service is asked.", {
    min: 10_000,
  }),
  ...HTTP_CLIENT_ARGUMENTS,
};

export type RemotecfgArguments = ValuesOf<typeof REMOTECFG_ARGUMENTS>;
export type RemotecfgContext = ModuleContext<RemotecfgArguments>;

/** What the block needs of the agent it stands in. */
export interface RemotecfgHost {
  /** Makes a graph of a text from the service; rejects with a `ConfigError` for one that is not in order. */
  build(text: string, known: ImportContents): Promise<Graph>;
  readonly storagePath: string;
  readonly version: string;
  /** In Go's words, such as `linux`. */
  readonly os: string;
}

export function defineRemotecfg(host: RemotecfgHost): ComponentDefinition {
  return defineComponent({
    name: "remotecfg",
    stability: "generally-available",
    summary: "Runs a configuration that a service gives, beside the one in the file.",
    arguments: REMOTECFG_ARGUMENTS,
    exports: {},
    check: (values) => {
      const reserved = Object.keys(values.attributes).find((key) => key.startsWith(RESERVED));
      if (reserved !== undefined)
        return {
          at: "attributes",
          message: `${JSON.stringify(reserved)}: names that begin with ${JSON.stringify(RESERVED)} are set by the agent itself`,
        };
      if (values.url !== "" && !/^https?:\/\//.test(values.url))
        return { at: "url", message: `${JSON.stringify(values.url)} is not an http or https URL` };
      try {
        httpClientOptions(values);
        return undefined;
      } catch (error) {
        return { message: describeError(error) };
      }
    },
    run: (context: RemotecfgContext, signal) => runRemotecfg(context, host, signal),
  });
}

async function runRemotecfg(
  context: RemotecfgContext,
  host: RemotecfgHost,
  signal: AbortSignal,
): Promise<void> {
  const { fileSystem, clock } = context;
  const seed = await readSeed(host.storagePath, { fileSystem, clock, version: host.version });
  const module = context.openModule(context.id, { onExports: () => {}, onFault: () => {} });
  try {
    await untilAborted(signal, async () => {
      const round = new AbortController();
      const next = context.nextArguments(signal).finally(() => round.abort());
      next.catch(() => {});
      const args = context.arguments();
      const remote = new RemoteConfig({ context, host, module, id: args.id ?? seed, args });
      await remote.run(AbortSignal.any([signal, round.signal]), signal);
      await next;
    });
  } finally {
    await module.stop();
  }
}
