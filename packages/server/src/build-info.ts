/** What the build-info endpoints tell, and the API levels that clients switch features by. */

export interface BuildInfo {
  /** Of Finch, such as `0.1.0`. */
  readonly version: string;
  /** Commit it was built from, or the empty string. */
  readonly revision: string;
  /** Of the runtime, such as `v26.10.0`. */
  readonly nodeVersion: string;
}

/** Releases whose HTTP API we follow. Clients compare them, so they come first; our own version stands behind the plus. */
const API_LEVELS = { prometheus: "3.5.0", mimir: "2.17.0", loki: "3.5.0" } as const;

/** What Mimir's build information says besides; by it Grafana decides whether rules and contact points can be edited here. */
export const MIMIR_FEATURES = {
  ruler_config_api: "false",
  alertmanager_config_api: "false",
  query_sharding: "false",
  federated_rules: "false",
} as const;

/** The fields of `/status/buildinfo`, as Prometheus, Mimir and Loki name them. */
export function describeBuild(
  api: keyof typeof API_LEVELS,
  build: BuildInfo,
): Readonly<Record<string, string>> {
  return {
    version: `${API_LEVELS[api]}+finch.${build.version}`,
    revision: build.revision,
    branch: "main",
    buildUser: "finch",
    buildDate: "",
    goVersion: `node ${build.nodeVersion}`,
  };
}
