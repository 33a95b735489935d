/**
 * The write half of the API for each tenant: rates, delta sums and everything else that writes remember is a tenant's own. What is counted is
 * counted for all together.
 */
import { FinchError } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import type { GrpcMethod, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import type { MetricsLimits } from "./limits.ts";
import { DEFAULT_OTLP_OPTIONS } from "./otlp-options.ts";
import type { OtlpOptions } from "./otlp-options.ts";
import { ANONYMOUS, parseTenants } from "./tenant-id.ts";
import { TENANTS_KEPT_MAX } from "./tenant-routes.ts";
import { scopeStore } from "./tenant-store.ts";
import { createIngestCounters, createMetricIngest, ingestFamilies } from "./write-ingest.ts";
import { createInfluxRoutes } from "./write-influx.ts";
import { WriteMeter } from "./write-meter.ts";
import { createOtlpMetrics } from "./write-otlp.ts";
import type { OtlpMetrics } from "./write-otlp.ts";
import { createRemoteWriteRoutes } from "./write-routes.ts";
import { createTextRoutes } from "./write-text.ts";

/** Whose series routes work on. */
export interface SeriesSpace {
  /** As these tenants see it. */
  readonly store: MetricStore;
  /** Sorted, one at least. */
  readonly tenants: readonly string[];
}

/** The ways into one space of series. */
export interface SpaceWrites {
  readonly routes: readonly HttpRoute[];
  readonly otlp: OtlpMetrics;
  readonly meter: WriteMeter;
}

export interface TenantWritesOptions {
  readonly store: MetricStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: MetricsLimits;
  readonly multitenancy: boolean;
  readonly otlp?: OtlpOptions;
}

export class TenantWrites {
  readonly #options: TenantWritesOptions;
  readonly #counters = createIngestCounters();
  readonly #made = new Map<string, SpaceWrites>();

  constructor(options: TenantWritesOptions) {
    this.#options = options;
  }

  /** The ways into a space; the same ones each time, until the tenant was not seen for long. */
  of({ store, tenants }: SeriesSpace): SpaceWrites {
    const key = tenants.join("|");
    const writes = this.#made.get(key) ?? this.#make(store);
    this.#made.delete(key);
    this.#made.set(key, writes);
    if (this.#made.size > TENANTS_KEPT_MAX) {
      for (const oldest of this.#made.keys()) {
        this.#made.delete(oldest);
        break;
      }
    }
    return writes;
  }

  /** Calls of gRPC, each for the tenant that its metadata names. */
  grpcMethods(): readonly GrpcMethod[] {
    const { multitenancy, store } = this.#options;
    const template = this.of({ store, tenants: [ANONYMOUS] }).otlp.grpcMethods;
    if (!multitenancy) return template;
    return template.map((method, index) => ({
      ...method,
      handle: async (request) => {
        const header = [request.headers["x-scope-orgid"]].flat()[0] ?? "";
        const tenants = parseTenants(header);
        if (tenants === undefined) throw new FinchError("invalid", "server/no-tenant", "no org id");
        const { otlp } = this.of({ store: scopeStore(store, tenants), tenants });
        return await otlp.grpcMethods[index]!.handle(request);
      },
    }));
  }

  /** Of all tenants together. */
  families(): readonly MetricFamily[] {
    const lists = [...this.#made.values()].map(({ otlp }) => otlp.families());
    return [...ingestFamilies(this.#counters), ...sumFamilies(lists)];
  }

  #make(store: MetricStore): SpaceWrites {
    const { clock, limits, log, otlp: options = DEFAULT_OTLP_OPTIONS } = this.#options;
    const meter = new WriteMeter(clock);
    const counters = this.#counters;
    const ingest = createMetricIngest({ store: meter.meter(store), clock, limits, counters });
    const otlp = createOtlpMetrics({ ingest, clock, limits, options });
    const routes = [
      ...createRemoteWriteRoutes({ ingest, limits, log }),
      ...otlp.routes,
      ...createInfluxRoutes({ ingest, clock, limits }),
      ...createTextRoutes({ ingest, clock, limits }),
    ];
    return { routes, otlp, meter };
  }
}

/** Families of one name and samples of the same labels as one, their values added up. */
function sumFamilies(lists: readonly (readonly MetricFamily[])[]): readonly MetricFamily[] {
  const byName = new Map<string, MetricFamily>();
  for (const family of lists.flat()) {
    const known = byName.get(family.name);
    byName.set(family.name, known === undefined ? family : addUp(known, family));
  }
  return [...byName.values()];
}

function addUp(a: MetricFamily, b: MetricFamily): MetricFamily {
  const keyOf = (sample: MetricFamily["samples"][number]) =>
    `${sample.suffix ?? ""} ${JSON.stringify(sample.labels)}`;
  const samples = new Map(a.samples.map((sample) => [keyOf(sample), sample]));
  for (const sample of b.samples) {
    const known = samples.get(keyOf(sample));
    const value = sample.value + (known?.value ?? 0);
    samples.set(keyOf(sample), { ...sample, value });
  }
  return { ...a, samples: [...samples.values()] };
}
