import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { defineComponent } from "../src/component.ts";
import { COMPONENTS } from "../src/components/index.ts";
import { startAgent } from "../src/runtime/agent.ts";
import { machineEnvironment } from "../src/runtime/environment.ts";
import { collectingReceiver, temporaryDirectory } from "./component-harness.ts";
import { KubernetesApi, noCaptures, readCapture, recordedList } from "./kubernetes-api.ts";

/** A recorded cluster whose containers all have the recorded log, and a ConfigMap with the name of the job. */
async function recordedCluster(): Promise<KubernetesApi> {
  const api = await KubernetesApi.start();
  const pods = recordedList("pods");
  api.lists.set("/api/v1/pods", pods);
  api.answer = ({ pathname, searchParams }, response) => {
    const name = /^\/api\/v1\/namespaces\/demo\/pods\/([^/]+)(\/log)?$/.exec(pathname);
    if (pathname === "/version") response.end(readCapture("version.json"));
    else if (pathname.endsWith("/configmaps/settings"))
      response.end(JSON.stringify({ metadata: { name: "settings" }, data: { job: "pods" } }));
    else if (name?.[2] !== undefined) {
      assert.equal(searchParams.get("follow"), "true");
      response.write(readCapture("podlog-timestamps.txt"));
    } else if (name !== null)
      response.end(JSON.stringify(pods.items.find(({ metadata }) => metadata.name === name[1])));
    else return false;
    return true;
  };
  return api;
}

function configOf(apiServer: string): string {
  return `
remote.kubernetes.configmap "settings" {
  namespace = "demo"
  name      = "settings"
  client {
    api_server = "${apiServer}"
  }
}
discovery.kubernetes "pods" {
  role       = "pod"
  api_server = "${apiServer}"
}
discovery.relabel "pods" {
  targets = discovery.kubernetes.pods.targets
  rule {
    source_labels = ["__meta_kubernetes_pod_container_name"]
    target_label  = "container"
  }
  rule {
    target_label = "job"
    replacement  = remote.kubernetes.configmap.settings.data["job"]
  }
}
loki.source.kubernetes "pods" {
  targets    = discovery.relabel.pods.output
  forward_to = [loki.echo.sink.receiver]
  client {
    api_server = "${apiServer}"
  }
}
loki.echo "sink" { }
`;
}

describe("an agent in a cluster", { skip: noCaptures }, () => {
  test("finds pods and follows the logs of all their containers", async () => {
    await using api = await recordedCluster();
    await using directory = await temporaryDirectory();
    const receiver = collectingReceiver();
    const echo = defineComponent({
      name: "loki.echo",
      stability: "generally-available",
      summary: "Keeps entries.",
      arguments: {},
      exports: { receiver: "Takes entries." },
      async run(context, signal) {
        context.setExports({ receiver });
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    });
    await using agent = await startAgent({
      source: { text: configOf(api.url), name: "config.alloy" },
      storagePath: directory.path,
      clock: systemClock,
      fileSystem: nodeFileSystem,
      environment: machineEnvironment({}, "v0"),
      signal: new AbortController().signal,
      logSink: () => {},
      components: { ...COMPONENTS, "loki.echo": () => Promise.resolve(echo) },
    });
    const containers = 4;
    const lines = readCapture("podlog-timestamps.txt").trimEnd().split("\n");
    await receiver.until((entries) => entries.length === containers * lines.length);
    const streams = new Set(receiver.entries.map(({ labels }) => labels.get("instance")));
    assert.deepEqual([...streams].toSorted(), [
      "demo/api-5df9b7b7c5-4k9l4:main",
      "demo/api-5df9b7b7c5-smhr5:main",
      "demo/web-1:crash",
      "demo/web-1:main",
    ]);
    const [first] = receiver.entries.filter(({ labels }) => labels.get("container") === "crash");
    assert.deepEqual(first!.labels.toObject(), {
      container: "crash",
      instance: "demo/web-1:crash",
      job: "pods",
    });
    assert.equal(`2026-11-20T18:12:55.595420882Z ${first!.line}`, lines[0]);
    for (const { id, health } of agent.components()) assert.equal(health.state, "healthy", id);
  });
});
