/** What `pyroscope.scrape` can be told, and what of it contradicts itself. */
import { describeError } from "@finch/runtime";
import { CLUSTERING_ARGUMENTS } from "../../clustering.ts";
import type { ArgumentFault } from "../../component.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { block, blockLabel, maybe, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const DELTA_DOC = "Whether the target is asked for some seconds, which it takes to answer.";

function profile(path: string, about: { readonly enabled: boolean; readonly delta: boolean }) {
  return {
    enabled: optional("bool", about.enabled, "Whether it is scraped."),
    path: optional("string", path, "Where the target has it."),
    delta: optional("bool", about.delta, DELTA_DOC),
  };
}

/** Of a target that makes the difference itself, by godeltaprof. */
function targetDelta(path: string) {
  return {
    enabled: optional("bool", false, "Whether it is scraped."),
    path: optional("string", path, "Where the target has it."),
  };
}

const once = (doc: string) => ({ repeat: "one", doc }) as const;

const PROFILING_CONFIG = {
  path_prefix: optional("string", "", "Stands before the paths of all profiles."),
  "profile.memory": block(
    profile("/debug/pprof/allocs", { enabled: true, delta: false }),
    once("What was allocated, and what of it is in use."),
  ),
  "profile.block": block(
    profile("/debug/pprof/block", { enabled: true, delta: false }),
    once("Waiting for channels and conditions."),
  ),
  "profile.goroutine": block(
    profile("/debug/pprof/goroutine", { enabled: true, delta: false }),
    once("Stacks of goroutines."),
  ),
  "profile.mutex": block(
    profile("/debug/pprof/mutex", { enabled: true, delta: false }),
    once("Waiting for locks."),
  ),
  "profile.process_cpu": block(
    profile("/debug/pprof/profile", { enabled: true, delta: true }),
    once("Time on processors."),
  ),
  "profile.fgprof": block(
    profile("/debug/fgprof", { enabled: false, delta: true }),
    once("Time on processors and off, by fgprof."),
  ),
  "profile.godeltaprof_memory": block(
    targetDelta("/debug/pprof/delta_heap"),
    once("Memory, as a difference that the target makes."),
  ),
  "profile.godeltaprof_mutex": block(
    targetDelta("/debug/pprof/delta_mutex"),
    once("Locks, as a difference that the target makes."),
  ),
  "profile.godeltaprof_block": block(
    targetDelta("/debug/pprof/delta_block"),
    once("Blocking, as a difference that the target makes."),
  ),
  "profile.custom": block(
    {
      type: blockLabel("the type of the profile, its `__name__`."),
      enabled: required("bool", "Whether it is scraped."),
      path: required("string", "Where the target has it."),
      delta: optional("bool", false, DELTA_DOC),
    },
    { repeat: "many", doc: "A profile of the target's own." },
  ),
};

export const ARGUMENTS = {
  targets: required("list(target)", "Targets to scrape."),
  forward_to: required("list(profiles-receiver)", "Where profiles go."),
  job_name: maybe("string", "Value of the job label; the component's id when absent."),
  params: maybe("map(list(string))", "Query parameters of every scrape."),
  scrape_interval: optional("duration", 15_000, "How often each profile is scraped.", { min: 1 }),
  scrape_timeout: optional(
    "duration",
    10_000,
    "How long a target may take to answer, besides the seconds that it is asked for.",
    { min: 1 },
  ),
  delta_profiling_duration: optional(
    "duration",
    14_000,
    "Seconds that targets are asked for; a second less than scrape_interval unless it is written.",
  ),
  scheme: oneOf(["http", "https"], "http", "Protocol of targets that name none."),
  profiling_config: block(PROFILING_CONFIG, once("Which profiles are scraped, and where.")),
  ...CLUSTERING_ARGUMENTS,
  ...HTTP_CLIENT_ARGUMENTS,
};

export type Arguments = ValuesOf<typeof ARGUMENTS>;

/** One kind of profile that is scraped of every target. */
export interface ProfileKind {
  /** `__name__` of what is scraped; godeltaprof's go by the names of what they are differences of. */
  readonly type: string;
  readonly path: string;
  /** Seconds to ask for; undefined when the target answers at once. */
  readonly seconds: number | undefined;
  /** Whether the target makes differences itself. */
  readonly isDifference: boolean;
}

const GODELTAPROF = "godeltaprof_";

export function enabledProfiles(values: Arguments): readonly ProfileKind[] {
  const seconds = secondsOf(values);
  return profileBlocks(values).flatMap(({ type, enabled, path, delta }): readonly ProfileKind[] => {
    if (!enabled) return [];
    const isDifference = type.startsWith(GODELTAPROF);
    return [
      {
        type: isDifference ? type.slice(GODELTAPROF.length) : type,
        path,
        seconds: delta ? seconds : undefined,
        isDifference,
      },
    ];
  });
}

interface ProfileBlock {
  readonly type: string;
  readonly enabled: boolean;
  readonly path: string;
  readonly delta: boolean;
}

function profileBlocks({ profiling_config: config }: Arguments): readonly ProfileBlock[] {
  const { path_prefix: _, "profile.custom": custom, ...standard } = config;
  const named = Object.entries(standard).map(([name, one]): ProfileBlock => {
    return { delta: false, ...one, type: name.slice("profile.".length) };
  });
  return [...named, ...custom];
}

/** What is written wins; the default is that of the default interval. */
function secondsOf({ delta_profiling_duration: written, scrape_interval: interval }: Arguments) {
  const isDefault = written === ARGUMENTS.delta_profiling_duration.default;
  return Math.floor((isDefault ? interval - 1000 : written) / 1000);
}

/** What is wrong with arguments that are well typed one by one. */
export function findFault(values: Arguments): ArgumentFault | undefined {
  const custom = values.profiling_config["profile.custom"].map(({ type }) => type);
  const twice = custom.find((type, index) => custom.indexOf(type) !== index);
  if (twice !== undefined)
    return {
      at: "profiling_config",
      message: `two blocks profile.custom are called ${JSON.stringify(twice)}`,
    };
  const fault = deltaFault(values);
  if (fault !== undefined) return fault;
  try {
    httpClientOptions(values);
    return undefined;
  } catch (error) {
    return { message: describeError(error) };
  }
}

function deltaFault(values: Arguments): ArgumentFault | undefined {
  if (!enabledProfiles(values).some(({ seconds }) => seconds !== undefined)) return undefined;
  const { scrape_interval: interval, delta_profiling_duration: duration } = values;
  if (interval < 2000)
    return {
      at: "scrape_interval",
      message: `scrape_interval (${interval} ms) must be at least 2 seconds when profiles with delta are scraped`,
    };
  if (duration <= 1000)
    return {
      at: "delta_profiling_duration",
      message: "delta_profiling_duration must be longer than 1 second",
    };
  if (duration === ARGUMENTS.delta_profiling_duration.default || duration <= interval - 1000)
    return undefined;
  return {
    at: "delta_profiling_duration",
    message: `delta_profiling_duration (${duration} ms) must be at least 1 second shorter than scrape_interval (${interval} ms)`,
  };
}
