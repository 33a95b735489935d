/** Run by the remote write test in a process of its own: takes samples while the endpoint is down, says what is durable, and waits to be killed. */
import { Labels } from "@finch/model";
import { remoteWrite } from "../src/components/prometheus/remote-write.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const [directory = "", url = ""] = process.argv.slice(2);
const values = valuesOf(remoteWrite.arguments, { endpoint: [{ url, name: "e" }] });
const component = runComponent(remoteWrite, { values, directory });
const never = new AbortController().signal;
for (let n = 0; ; n++) {
  const samples = {
    labels: [Labels.fromObject({ __name__: "n" })],
    timestampsMs: Float64Array.of(Date.now()),
    values: Float64Array.of(n),
    metadata: [],
  };
  await component.exports.receiver.append(samples, never);
  process.stdout.write(`${n}\n`);
}
