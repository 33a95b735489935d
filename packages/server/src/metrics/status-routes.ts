/** `status/*` and `features` of Prometheus' HTTP API: what this server is, how it was started, and what its store holds. */
import type { LanguageSwitches } from "@finch/promql";
import type { HttpRequest, HttpRoute, RouteAccess } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import { describeBuild, MIMIR_FEATURES } from "../build-info.ts";
import type { BuildInfo } from "../build-info.ts";
import { apiRoute, dataReply, GET } from "./api-route.ts";
import { describeFeatures } from "./features.ts";

/** What the process around the API knows of itself. */
export interface ServerStatus {
  /** The configuration in use, as a finch.yaml that would bring it about. */
  readonly configYaml: string;
  /** Every setting by its flag, without the dashes. */
  readonly flags: Readonly<Record<string, string>>;
  readonly startedMs: number;
  readonly workingDirectory: string;
  readonly hostname: string;
  readonly cpus: number;
  readonly memoryLimitBytes: number;
  /** Such as `72h or 40% of the disk`. */
  readonly retention: string;
  readonly retentionMs: number;
  /** Series that may have samples at once. */
  readonly seriesMax: number;
  /** The parts of the process, each with a state such as `Running`. */
  services(): readonly { readonly name: string; readonly state: string }[];
  /** Things in flight that keep the process running: sockets, files, timers. */
  activeResources(): number;
}

export interface StatusContext {
  readonly store: MetricStore;
  readonly clock: { nowMs(): number };
  readonly build: BuildInfo;
  readonly status: ServerStatus;
  readonly adminEnabled: boolean;
  readonly language?: LanguageSwitches;
}

/** Whose clients ask: Mimir's learn from the build information what they may do. */
export type Dialect = "prometheus" | "mimir";

export function statusRoutes(context: StatusContext, dialect: Dialect): readonly HttpRoute[] {
  const { build, status } = context;
  const route = (
    name: string,
    answer: (request: HttpRequest) => unknown,
    access: RouteAccess = "read-all",
  ): HttpRoute => ({
    ...apiRoute(GET, `/api/v1/${name}`, async (request) => dataReply(answer(request))),
    access,
  });
  return [
    route(
      "status/buildinfo",
      () =>
        dialect === "mimir"
          ? {
              application: "Grafana Mimir",
              ...describeBuild("mimir", build),
              features: MIMIR_FEATURES,
            }
          : describeBuild("prometheus", build),
      "signed-in",
    ),
    route("status/config", () => ({ yaml: status.configYaml })),
    route("status/flags", () => status.flags),
    route("status/runtimeinfo", () => describeRuntime(context)),
    route("status/walreplay", () => describeReplay(context.store)),
    route("features", () => describeFeatures(context), "signed-in"),
  ];
}

/** The fields of Prometheus; those of Go's runtime hold what comes nearest, or nothing. */
function describeRuntime({ status, store, clock }: StatusContext): object {
  const startTime = new Date(status.startedMs).toISOString();
  return {
    startTime,
    CWD: status.workingDirectory,
    hostname: status.hostname,
    serverTime: new Date(clock.nowMs()).toISOString(),
    reloadConfigSuccess: true,
    lastConfigTime: startTime,
    corruptionCount: store.statistics().recovery.tornBytes > 0 ? 1 : 0,
    goroutineCount: status.activeResources(),
    GOMAXPROCS: status.cpus,
    GOMEMLIMIT: status.memoryLimitBytes,
    GOGC: "",
    GODEBUG: "",
    storageRetention: status.retention,
  };
}

/** Listeners open once the log was replayed: whoever asks finds it done. The unit is records, for segments are cut away behind it. */
function describeReplay(store: MetricStore): object {
  const { records } = store.statistics().recovery;
  return { min: 0, max: records, current: records };
}
