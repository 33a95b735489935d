/** `loki.source.kubernetes`: follows the logs of containers through the API server, without a file of the node. */
import { describeError } from "@finch/runtime";
import { Labels } from "@finch/model";
import { CLUSTERING_ARGUMENTS } from "../../clustering.ts";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import {
  clientBlockFault,
  connectKubernetes,
  KUBERNETES_CLIENT_BLOCK,
} from "../../kubernetes/connection.ts";
import { describeContainer } from "../../kubernetes/pod-log-tail.ts";
import type { ContainerReference } from "../../kubernetes/pod-log-tail.ts";
import type { Target } from "../../receivers.ts";
import { sameData } from "../../runtime/export-value.ts";
import { required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilAborted } from "../../until-aborted.ts";
import { containerOf, keyOf, PodLogFollower } from "./pod-log-follower.ts";
import type { WantedLog } from "./pod-log-follower.ts";

const ARGUMENTS = {
  targets: required(
    "list(target)",
    "Containers whose logs are followed, as of discovery.kubernetes.",
  ),
  forward_to: required("list(logs-receiver)", "Where the lines go."),
  client: KUBERNETES_CLIENT_BLOCK,
  ...CLUSTERING_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, object>;

/** Lines taken since the last save are read again after a crash. */
const SAVE_EVERY_MS = 1000;
const RETRY_MS = 5000;

export const sourceKubernetes = defineComponent<typeof ARGUMENTS, object>({
  name: "loki.source.kubernetes",
  stability: "generally-available",
  summary: "Follows the logs of pods through the Kubernetes API.",
  arguments: ARGUMENTS,
  exports: {},
  check: (values) => clientBlockFault(values.client),
  async run(context, signal) {
    const follower = await PodLogFollower.open(context, () => false);
    const logs = new TargetLogs(context, follower);
    await Promise.all([
      untilAborted(signal, () => logs.follow(signal)),
      untilAborted(signal, async () => {
        await context.clock.sleep(SAVE_EVERY_MS, signal);
        logs.report();
        await follower.save();
      }),
    ]);
    await follower.save();
  },
});

class TargetLogs {
  readonly #context: Context;
  readonly #follower: PodLogFollower;
  #unusable = 0;
  #trouble: string | undefined;

  constructor(context: Context, follower: PodLogFollower) {
    this.#context = context;
    this.#follower = follower;
  }

  /** Until `signal` aborts or the arguments name another server. */
  async follow(signal: AbortSignal): Promise<void> {
    const values = this.#context.arguments();
    const other = new AbortController();
    const either = AbortSignal.any([signal, other.signal]);
    try {
      using client = await connectKubernetes(values.client);
      await this.#follower.connect(client, either);
      this.#trouble = undefined;
      this.#update(values);
      await untilAborted(either, async () => {
        const next = await this.#context.nextArguments(either);
        if (sameData(next.client, values.client)) this.#update(next);
        else other.abort(new Error("the arguments name another server"));
      });
      await this.#follower.ended();
    } catch (error) {
      if (either.aborted) return;
      this.#trouble = describeError(error);
      this.report();
      await this.#context.clock.sleep(RETRY_MS, signal);
    } finally {
      other.abort(new Error("the server is left"));
      await this.#follower.ended();
    }
  }

  #update(values: Arguments): void {
    const wanted = new Map<string, WantedLog>();
    this.#unusable = 0;
    for (const target of values.targets) {
      const container = containerOf(target);
      if (container === undefined) this.#unusable++;
      else wanted.set(keyOf(container), { container, labels: this.#labelsOf(target, container) });
    }
    this.#follower.want(wanted);
    this.report();
  }

  #labelsOf(target: Target, container: ContainerReference): Labels {
    const labels: Record<string, string> = {
      job: this.#context.id,
      instance: describeContainer(container),
    };
    for (const [name, value] of target) if (!name.startsWith("__")) labels[name] = value;
    return Labels.fromObject(labels);
  }

  report(): void {
    const { state, message } = this.#follower.report();
    if (this.#trouble !== undefined) this.#context.setHealth("unhealthy", this.#trouble);
    else if (this.#unusable > 0)
      this.#context.setHealth(
        "unhealthy",
        `${this.#unusable} targets do not say which container they are: they need __pod_namespace__, __pod_name__, __pod_container_name__ and __pod_uid__, or the labels of discovery.kubernetes`,
      );
    else this.#context.setHealth(state, message);
  }
}
