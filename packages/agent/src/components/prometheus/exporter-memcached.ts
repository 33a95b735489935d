/** `prometheus.exporter.memcached`: statistics of a memcached server, asked for when it is scraped. */
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { loadTls } from "../../http-tls.ts";
import { TLS_CONFIG_ARGUMENTS, tlsOptions } from "../../http-client-schema.ts";
import { askMemcached, parseMemcachedAddress } from "../../memcached/client.ts";
import { addMemcached } from "../../memcached/metrics.ts";
import { block, optional, type ValuesOf } from "../../schema.ts";
import { FamilySet } from "../../unix/family-set.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const ARGUMENTS = {
  address: optional("string", "localhost:11211", "HOST:PORT, or the path of a Unix socket."),
  timeout: optional("duration", 1000, "How long the server has to answer.", { min: 1 }),
  tls_config: block(TLS_CONFIG_ARGUMENTS, { repeat: "optional", doc: "TLS of the connection." }),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

export const exporterMemcached = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.memcached",
  stability: "generally-available",
  summary: "Exposes statistics of a memcached server.",
  arguments: ARGUMENTS,
  exports: { targets: "One target." },
  check: findFault,
  run: (context, signal) =>
    runExporter(context, (values) => Promise.resolve(open(context, values)), signal),
});

function findFault({ address, tls_config: tls }: Arguments): ArgumentFault | undefined {
  const isSocket = address.startsWith("/");
  if (!isSocket && parseMemcachedAddress(address) === undefined)
    return {
      at: "address",
      message: `${JSON.stringify(address)} is no address; write HOST:PORT or the path of a socket`,
    };
  return isSocket && tls !== undefined
    ? { at: "tls_config", message: "a Unix socket has no TLS" }
    : undefined;
}

function open(context: Context, values: Arguments): OpenExporter {
  const { address, timeout: timeoutMs, tls_config: tls } = values;
  return {
    targets: [exporterTarget(context, "memcached", {}, { instance: address })],
    scrape: async ({ signal }) => {
      const families = new FamilySet();
      const up = families.take("gauge", "memcached_up", "Could the memcached server be reached.");
      try {
        // Files are read each time: a renewed certificate works at once.
        const loaded = tls === undefined ? undefined : await loadTls(tlsOptions(tls));
        addMemcached(families, await askMemcached({ address, timeoutMs, tls: loaded }, signal));
        up.add(1);
      } catch (error) {
        signal.throwIfAborted();
        context.log.error("memcached cannot be asked", { address, error: describeError(error) });
        up.add(0);
      }
      return families.text();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
