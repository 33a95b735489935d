/** The `clustering` block of components that share their work among agents in Alloy. One agent is all there is here, so only `false` is taken. */
import type { ArgumentFault } from "./component.ts";
import { block, required } from "./schema.ts";

export const CLUSTERING_ARGUMENTS = {
  clustering: block(
    { enabled: required("bool", "Whether the work is shared among agents.") },
    { repeat: "optional", doc: "Clustering." },
  ),
};

export function clusteringFault(values: {
  readonly clustering: { readonly enabled: boolean } | undefined;
}): ArgumentFault | undefined {
  return values.clustering?.enabled === true
    ? { at: "clustering", message: "not supported yet: clustering" }
    : undefined;
}
