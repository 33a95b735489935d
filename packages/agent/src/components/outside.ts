/**
 * Components that this program cannot be: they load code into the kernel or into other processes. What is written in their blocks is taken, so that the
 * rest of a configuration runs; they are unhealthy, and say what to run instead.
 */
import { once } from "node:events";
import { defineComponent, type ComponentContext } from "../component.ts";

function defineOutside(name: string, summary: string, outside: string) {
  return defineComponent<Record<never, never>, Record<never, never>>({
    name,
    stability: "generally-available",
    summary,
    arguments: {},
    exports: {},
    outside,
    run: (context, signal) => stay(context, outside, signal),
  });
}

async function stay(
  context: Pick<ComponentContext<unknown, object>, "setHealth">,
  outside: string,
  signal: AbortSignal,
): Promise<void> {
  context.setHealth("unhealthy", `does not run here: ${outside}`);
  if (!signal.aborted) await once(signal, "abort");
}

const BEYLA =
  "it loads programs into the kernel; run Beyla (or OpenTelemetry's eBPF instrumentation) by itself, and let it send OTLP to otelcol.receiver.otlp";

export const beylaEbpf = defineComponent<Record<never, never>, { readonly targets: readonly [] }>({
  name: "beyla.ebpf",
  stability: "generally-available",
  summary: "Watches processes with eBPF; does not run here.",
  arguments: {},
  exports: { targets: "No targets." },
  outside: BEYLA,
  run: (context, signal) => {
    context.setExports({ targets: [] });
    return stay(context, BEYLA, signal);
  },
});

export const pyroscopeEbpf = defineOutside(
  "pyroscope.ebpf",
  "Profiles a machine with eBPF; does not run here.",
  "it loads programs into the kernel; run a profiler such as OpenTelemetry's by itself, or profile with the SDKs of Pyroscope, which push to pyroscope.receive_http",
);

export const pyroscopeJava = defineOutside(
  "pyroscope.java",
  "Attaches a profiler to Java processes; does not run here.",
  "it loads async-profiler into other processes; start them with Pyroscope's Java agent, which pushes to pyroscope.receive_http",
);
