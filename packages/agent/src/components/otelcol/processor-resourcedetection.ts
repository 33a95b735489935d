/** `otelcol.processor.resourcedetection`: adds what is known of the machine to the resources of telemetry. */
import { describeError } from "@finch/runtime";
import type { Attributes } from "@finch/wire";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { changeResources } from "../../otel/each-item.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer, emit, OUTPUT_BLOCK } from "../../otel/output.ts";
import { ALL_SIGNALS, type ProcessorExports } from "../../otel/run-processor.ts";
import { detect, DETECTORS, type DetectorName } from "../../resource-detection/detectors.ts";
import { OWN_HOST, type HostFacts } from "../../resource-detection/host-facts.ts";
import { HOSTNAME_SOURCES } from "../../resource-detection/host-name.ts";
import { block, notYet, optional, type Block, type ValuesOf } from "../../schema.ts";
import { periodOrChange, untilAborted } from "../../until-aborted.ts";

/** Detectors that Alloy has besides. */
const OTHERS = [
  "ec2",
  "ecs",
  "eks",
  "elasticbeanstalk",
  "lambda",
  "azure",
  "aks",
  "consul",
  "gcp",
  "openshift",
  "kubernetes_node",
] as const;

/** Attempts of a detector that fails within the timeout begin this far apart, and then twice as far each time. */
const RETRY_MS = 1000;
/** Detectors that failed are asked again after this. */
const AGAIN_MS = 60_000;

function toggle(isEnabled: boolean) {
  const schema = { enabled: optional("bool", isEnabled, "Whether it is added.") };
  return block(schema, { repeat: "one", doc: "One attribute." });
}

type Toggles<Names extends string> = Readonly<Record<Names, ReturnType<typeof toggle>>>;

function attributesBlock<const On extends string, const Off extends string = never>(
  on: readonly On[],
  off: readonly Off[] = [],
): Block<Toggles<On | Off>, "one"> {
  const toggles = [
    ...on.map((name) => [name, toggle(true)] as const),
    ...off.map((name) => [name, toggle(false)] as const),
  ];
  const schema = Object.fromEntries(toggles) as Toggles<On | Off>;
  return block(schema, { repeat: "one", doc: "Which attributes are added." });
}

const ARGUMENTS = {
  detectors: optional(
    "list(string)",
    ["env"],
    "What is asked, in order: env, system, docker, heroku. Of an attribute that several find, the first counts.",
  ),
  override: optional("bool", true, "Whether attributes that a resource has are replaced."),
  timeout: optional("duration", 5000, "How long detectors may take before telemetry passes.", {
    min: 1,
  }),
  fail_on_missing_metadata: notYet("attribute", "End when a detector finds nothing."),
  system: block(
    {
      hostname_sources: optional(
        "list(string)",
        ["dns", "os"],
        "Where the host name comes from, in order: dns (with its domain), os, cname, lookup.",
      ),
      resource_attributes: attributesBlock(
        ["host.name", "os.type"],
        [
          "host.arch",
          "host.cpu.cache.l2.size",
          "host.cpu.family",
          "host.cpu.model.id",
          "host.cpu.model.name",
          "host.cpu.stepping",
          "host.cpu.vendor.id",
          "host.id",
          "host.ip",
          "host.mac",
          "os.description",
        ],
      ),
    },
    { repeat: "one", doc: "Of the detector system." },
  ),
  docker: block(
    { resource_attributes: attributesBlock(["host.name", "os.type"]) },
    { repeat: "one", doc: "Of the detector docker, which asks the engine of this machine." },
  ),
  heroku: block(
    {
      resource_attributes: attributesBlock([
        "cloud.provider",
        "heroku.app.id",
        "heroku.dyno.id",
        "heroku.release.commit",
        "heroku.release.creation_timestamp",
        "service.instance.id",
        "service.name",
        "service.version",
      ]),
    },
    { repeat: "one", doc: "Of the detector heroku, which reads the variables of a dyno." },
  ),
  ec2: notYet("block", "Of the detector ec2."),
  ecs: notYet("block", "Of the detector ecs."),
  eks: notYet("block", "Of the detector eks."),
  elasticbeanstalk: notYet("block", "Of the detector elasticbeanstalk."),
  lambda: notYet("block", "Of the detector lambda."),
  azure: notYet("block", "Of the detector azure."),
  aks: notYet("block", "Of the detector aks."),
  consul: notYet("block", "Of the detector consul."),
  gcp: notYet("block", "Of the detector gcp."),
  openshift: notYet("block", "Of the detector openshift."),
  kubernetes_node: notYet("block", "Of the detector kubernetes_node."),
  output: OUTPUT_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ProcessorExports>;

export const processorResourcedetection = createResourceDetection(OWN_HOST);

/** The component, on this machine or what stands in for one. */
export function createResourceDetection(host: HostFacts) {
  return defineComponent<typeof ARGUMENTS, ProcessorExports>({
    name: "otelcol.processor.resourcedetection",
    stability: "generally-available",
    summary: "Adds what is known of the machine to the resources of spans, metrics and logs.",
    arguments: ARGUMENTS,
    exports: { input: "Takes traces, metrics and logs." },
    check: findFault,
    run: (context, signal) => run(context, host, signal),
  });
}

function findFault(values: Arguments): ArgumentFault | undefined {
  const unknown = values.detectors.find((name) => !DETECTORS.some((known) => known === name));
  if (unknown !== undefined) {
    const isOther = OTHERS.some((known) => known === unknown);
    const message = isOther
      ? `not supported yet: detector ${unknown}`
      : `there is no detector ${JSON.stringify(unknown)}: ${[...DETECTORS, ...OTHERS].join(", ")}`;
    return { at: "detectors", message };
  }
  const { hostname_sources: sources } = values.system;
  if (!sources.every((source) => HOSTNAME_SOURCES.some((known) => known === source)))
    return { at: "system.hostname_sources", message: `takes ${HOSTNAME_SOURCES.join(", ")}` };
  return debugMetricsFault(values);
}

async function run(context: Context, host: HostFacts, signal: AbortSignal): Promise<void> {
  let detected: Attributes = new Map();
  const input = createConsumer(context, ALL_SIGNALS, async (batch, consumeSignal) => {
    const { override } = context.arguments();
    const changed = changeResources(batch, ({ attributes }) => {
      for (const [key, value] of detected)
        if (override || !attributes.has(key)) attributes.set(key, structuredClone(value));
    });
    await emit(context, changed, consumeSignal);
  });
  await untilAborted(signal, async () => {
    const { attributes, faults } = await detectAll(context, host, signal);
    detected = attributes;
    // Telemetry passes when it can be completed, or when it is clear that it cannot be.
    context.setExports({ input });
    if (faults.length > 0) context.setHealth("unhealthy", faults.join("; "));
    else context.setHealth("healthy", `${detected.size} attributes`);
    if (faults.length > 0) await periodOrChange(context, AGAIN_MS, signal);
    else await context.nextArguments(signal);
  });
}

interface Detected {
  readonly attributes: Attributes;
  readonly faults: readonly string[];
}

async function detectAll(
  context: Context,
  host: HostFacts,
  signal: AbortSignal,
): Promise<Detected> {
  const values = context.arguments();
  const names = DETECTORS.filter((name) => values.detectors.includes(name)).toSorted(
    (a, b) => values.detectors.indexOf(a) - values.detectors.indexOf(b),
  );
  const limit = AbortSignal.any([signal, AbortSignal.timeout(values.timeout)]);
  const results = await Promise.allSettled(
    names.map((name) => detectWithin(name, { context, host, limit })),
  );
  const attributes: Attributes = new Map();
  const faults: string[] = [];
  for (const [i, result] of results.entries()) {
    if (result.status === "rejected") faults.push(`${names[i]!}: ${describeError(result.reason)}`);
    else
      for (const [key, value] of result.value) if (!attributes.has(key)) attributes.set(key, value);
  }
  signal.throwIfAborted();
  return { attributes, faults };
}

/** Tries until the time is over; rejects with the last fault then. */
async function detectWithin(
  name: DetectorName,
  {
    context,
    host,
    limit,
  }: { readonly context: Context; readonly host: HostFacts; readonly limit: AbortSignal },
): Promise<Attributes> {
  const options = optionsOf(context.arguments());
  for (let pauseMs = RETRY_MS; ; pauseMs *= 2) {
    try {
      return await detect(name, host, { options, signal: limit });
    } catch (error) {
      await context.clock.sleep(pauseMs, limit).catch(() => undefined);
      if (limit.aborted) throw error;
    }
  }
}

function optionsOf({ system, docker, heroku }: Arguments) {
  return {
    enabled: {
      system: enabledOf(system.resource_attributes),
      docker: enabledOf(docker.resource_attributes),
      heroku: enabledOf(heroku.resource_attributes),
    },
    hostnameSources: HOSTNAME_SOURCES.filter((source) =>
      system.hostname_sources.includes(source),
    ).toSorted((a, b) => system.hostname_sources.indexOf(a) - system.hostname_sources.indexOf(b)),
  };
}

function enabledOf(
  toggles: Readonly<Record<string, { readonly enabled: boolean }>>,
): ReadonlySet<string> {
  return new Set(Object.keys(toggles).filter((name) => toggles[name]!.enabled));
}
