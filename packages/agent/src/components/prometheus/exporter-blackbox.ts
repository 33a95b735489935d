/** `prometheus.exporter.blackbox`: probes targets over HTTP, TCP, DNS, ICMP and gRPC when it is scraped, with the modules of blackbox_exporter. */
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { parseModules, type Module } from "../../blackbox/module.ts";
import { runProbe } from "../../blackbox/run-probe.ts";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import type { InternalRequest } from "../../internal-handler.ts";
import type { Target } from "../../receivers.ts";
import { block, maybe, optional, required, type ValuesOf } from "../../schema.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const TARGET_ARGUMENTS = {
  name: required("string", "Name of the target; ends the job label."),
  address: required("string", "What to probe."),
  module: optional("string", "", "Module of the configuration; `http_2xx` when empty."),
  labels: maybe("map(string)", "Labels that go with the target's metrics."),
};

const ARGUMENTS = {
  config: maybe("secret", "Modules, as the YAML of blackbox_exporter."),
  config_file: optional("string", "", "File with the modules; read when the component starts."),
  probe_timeout_offset: optional("duration", 500, "How much sooner than the scrape a probe ends.", {
    min: 0,
  }),
  targets: optional(
    "list(target)",
    [],
    "Targets in place of `target` blocks: maps of name, address, module and labels.",
  ),
  target: block(TARGET_ARGUMENTS, { repeat: "many", doc: "A target to probe." }),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

export const exporterBlackbox = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.blackbox",
  stability: "generally-available",
  summary: "Probes targets over HTTP, TCP, DNS, ICMP and gRPC.",
  arguments: ARGUMENTS,
  exports: { targets: "One target for each that is probed." },
  check: findFault,
  run: (context, signal) => runExporter(context, (values) => open(context, values), signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const { config, config_file: file } = values;
  if (config !== undefined && file !== "")
    return { at: "config_file", message: "config and config_file are mutually exclusive" };
  if (config === undefined && file === "") return { message: "config or config_file must be set" };
  if (values.target.length > 0 && values.targets.length > 0)
    return { at: "targets", message: "target blocks and targets are mutually exclusive" };
  for (const [index, target] of values.targets.entries()) {
    if (!target.has("name")) return { at: "targets", message: `targets[${index}] has no name` };
    if (addressOf(target) === "") {
      return { at: "targets", message: `targets[${index}] has neither address nor __address__` };
    }
  }
  if (config === undefined) return undefined;
  let modules: ReadonlyMap<string, Module>;
  try {
    modules = parseModules(config.reveal(), "config");
  } catch (error) {
    return { at: "config", message: describeError(error) };
  }
  const missing = targetsOf(values).find(({ module }) => !modules.has(module || DEFAULT_MODULE));
  if (missing === undefined) return undefined;
  return { message: unknownModule(missing.module || DEFAULT_MODULE, modules) };
}

/** What blackbox_exporter probes with when a request names no module. */
const DEFAULT_MODULE = "http_2xx";

interface ProbedTarget {
  readonly name: string;
  readonly address: string;
  readonly module: string;
  readonly labels: Readonly<Record<string, string>>;
}

function targetsOf(values: Arguments): readonly ProbedTarget[] {
  if (values.target.length > 0)
    return values.target.map((target) => ({ ...target, labels: target.labels ?? {} }));
  return values.targets.map((target) => ({
    name: target.get("name"),
    address: addressOf(target),
    module: target.get("module"),
    labels: target.drop(new Set(["name", "address", "__address__", "module"])).toObject(),
  }));
}

function addressOf(target: Target): string {
  return target.get("address") || target.get("__address__");
}

function unknownModule(name: string, modules: ReadonlyMap<string, Module>): string {
  const known = [...modules.keys()].join(", ") || "none";
  return `there is no module ${JSON.stringify(name)} in the configuration; it has ${known}`;
}

async function open(context: Context, values: Arguments): Promise<OpenExporter> {
  const modules = await loadModules(values);
  const targets = targetsOf(values).map(({ name, address, module, labels }) =>
    exporterTarget(context, "blackbox", labels, {
      job: `integrations/blackbox/${name}`,
      __param_target: address,
      ...(module === "" ? {} : { __param_module: module }),
    }),
  );
  const scrape = async (request: InternalRequest): Promise<string> => {
    const name = request.query.get("module") || DEFAULT_MODULE;
    const module = modules.get(name);
    if (module === undefined) {
      context.metrics
        .counter("blackbox_module_unknown_total", "Count of unknown modules requested by probes")
        .add(1);
      throw new FinchError("invalid", "agent/blackbox-module", unknownModule(name, modules));
    }
    const target = request.query.get("target") ?? "";
    if (target === "") {
      throw new FinchError("invalid", "agent/blackbox-target", "the parameter target is missing");
    }
    const result = await runProbe({
      module,
      target,
      hostname: request.query.get("hostname") ?? "",
      offsetMs: values.probe_timeout_offset,
      scrape: request,
      monotonicMs: () => context.clock.monotonicMs(),
    });
    if (!result.success)
      context.log.debug("probe failed", { target, module: name, why: result.lines.at(-1) ?? "" });
    if (request.query.get("debug") !== "true") return result.text;
    return `Logs for the probe:\n${result.lines.join("\n")}\n\n\nMetrics that would have been returned:\n${result.text}`;
  };
  return { targets, scrape, [Symbol.asyncDispose]: () => Promise.resolve() };
}

async function loadModules(values: Arguments): Promise<ReadonlyMap<string, Module>> {
  const { config, config_file: path } = values;
  if (config !== undefined) return parseModules(config.reveal(), "config");
  return parseModules(await readFile(path, "utf8"), path);
}
