/**
 * The `clustering` block of components that share their work among agents. An agent of Finch is no member of a cluster: as Alloy without
 * `--cluster.enabled`, it does all of the work itself, whatever the block says.
 */
import { block, required } from "./schema.ts";

export const CLUSTERING_ARGUMENTS = {
  clustering: block(
    {
      enabled: required(
        "bool",
        "Whether the work is shared among the agents of a cluster; alone, as here, an agent does it all.",
      ),
    },
    { repeat: "optional", doc: "Sharing of the work among agents." },
  ),
};
