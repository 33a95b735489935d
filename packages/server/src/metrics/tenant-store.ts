/**
 * The metric store as some tenants see it: one store holds the series of all, told apart by a label that every selection asks for and every batch
 * is given (see `tenant-matchers.ts`). So tenants share the memory, the log and the blocks, and none costs anything while it is idle. Handlers
 * get such a store and no other, so that none of them can forget whose data it is.
 */
import { ProtobufWriter } from "@finch/codec";
import type { Matcher, MetricMetadata, SampleBatch, Series } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { MetricAppendResult, LabelScope, MetricStore } from "@finch/store";
import type { SeriesLoan } from "./source.ts";
import { storedTenant, TENANT_LABEL, TenantScope } from "./tenant-matchers.ts";

/** Between the tenant and the family in the name that metadata is kept under; no family has it. */
const METADATA_SEPARATOR = "\u0000";
const LABEL_BYTES = Buffer.from(TENANT_LABEL);

type SelectRequest = Parameters<MetricStore["select"]>[0];

/** `store` as these tenants see it; only one tenant can be written to. Every function is named here: one that is new must be thought about. */
export function scopeStore(store: MetricStore, tenants: readonly string[]): MetricStore {
  const scope = new TenantScope(tenants);
  return {
    append: (batch) => appendTo(store, scope, batch),
    select: (request) => select(store, scope, request),
    lend: (request) => lend(store, scope, request),
    labelNames: async (range) => {
      const narrowed = narrow(scope, range);
      if (narrowed === undefined) return [];
      const names = new Set(await store.labelNames(narrowed));
      if (names.size > 0 && scope.isFederated) names.add(TENANT_LABEL);
      else names.delete(TENANT_LABEL);
      return [...names].toSorted();
    },
    labelValues: async (name, range) => {
      const narrowed = narrow(scope, range);
      if (narrowed === undefined) return [];
      if (name !== TENANT_LABEL) return await store.labelValues(name, narrowed);
      return scope.isFederated ? scope.tenants : [];
    },
    series: async (range) => {
      const narrowed = narrow(scope, range);
      if (narrowed === undefined) return [];
      return (await store.series(narrowed)).map((labels) => scope.reveal(labels));
    },
    exemplars: async (request) => {
      const matchers = scope.narrow(request.matchers);
      if (matchers === undefined) return [];
      const found = await store.exemplars({ ...request, matchers });
      return found.map((one) => ({ ...one, labels: scope.reveal(one.labels) }));
    },
    deleteSeries: async (request) => {
      const matchers = scope.narrow(request.matchers);
      if (matchers !== undefined) await store.deleteSeries({ ...request, matchers });
    },
    cardinality: async (request) => {
      const matchers = scope.narrow(request.matchers);
      const none = { series: 0, metricNames: [], labelNames: [], labelPairs: [] };
      if (matchers === undefined) return none;
      // One more, in place of the label that nobody sees.
      const limit = request.limit + 1;
      const found = await store.cardinality({ ...request, matchers, limit });
      const isShown = ({ name }: { readonly name: string }) => name !== TENANT_LABEL;
      return {
        ...found,
        metricNames: found.metricNames.slice(0, request.limit),
        labelNames: found.labelNames.filter(isShown).slice(0, request.limit),
        labelPairs: found.labelPairs.filter(isShown).slice(0, request.limit),
      };
    },
    metadata: () => metadataOf(store, scope),
    // These concern the store as a whole.
    statistics: () => store.statistics(),
    blocks: () => store.blocks(),
    cleanTombstones: () => store.cleanTombstones(),
    compact: () => store.compact(),
    flush: () => store.flush(),
    expire: () => store.expire(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function narrow(scope: TenantScope, range: LabelScope): LabelScope | undefined {
  const matchers = scope.narrow(range.matchers);
  return matchers === undefined ? undefined : { ...range, matchers };
}

async function* select(
  store: MetricStore,
  scope: TenantScope,
  request: SelectRequest,
): AsyncGenerator<readonly Series[]> {
  const matchers: readonly Matcher[] | undefined = scope.narrow(request.matchers);
  if (matchers === undefined) return;
  for await (const batch of store.select({ ...request, matchers }))
    yield batch.map((series) => ({ ...series, labels: scope.reveal(series.labels) }));
}

/** What is read of the loan has labels as they are stored: whoever reads it reveals them. */
function lend(
  store: MetricStore,
  scope: TenantScope,
  request: SelectRequest,
): SeriesLoan | undefined {
  const matchers = scope.narrow(request.matchers);
  const loan = matchers && store.lend({ ...request, matchers });
  return loan && { ...loan, tenants: scope.tenants };
}

async function appendTo(
  store: MetricStore,
  scope: TenantScope,
  batch: SampleBatch,
): Promise<MetricAppendResult> {
  const [tenant] = scope.tenants;
  if (scope.isFederated || tenant === undefined)
    throw new FinchError("invalid", "server/many-tenants", "multiple org IDs present");
  refuseReserved(batch);
  const stored = storedTenant(tenant);
  return await store.append(stored === "" ? batch : withTenant(batch, stored));
}

/** A series that has the label already would be another tenant's. */
function refuseReserved(batch: SampleBatch): void {
  // One search over all bytes; only when the name is somewhere, perhaps in a value, each series is looked at.
  const bytes = Buffer.from(
    batch.keyBytes.buffer,
    batch.keyBytes.byteOffset,
    batch.keyBytes.byteLength,
  );
  if (!bytes.includes(LABEL_BYTES)) return;
  for (let s = 0; s < batch.seriesCount; s++) {
    const labels = batch.labelsOf(s);
    if (!labels.has(TENANT_LABEL)) continue;
    throw new FinchError(
      "invalid",
      "server/reserved-label",
      `the label ${TENANT_LABEL} is kept for the names of tenants; series ${labels.toString().slice(0, 1000)} has it, nothing of the request is stored`,
    );
  }
}

/** The batch with the tenant's label on every series, in the keys as in the labels, and in front of each family. */
function withTenant(batch: SampleBatch, stored: string): SampleBatch {
  const label = tenantLabelBytes(stored);
  const { seriesCount, keyBounds, keyBytes } = batch;
  let length = 0;
  for (let s = 0; s < seriesCount; s++)
    length += label.length + keyBounds[2 * s + 1]! - keyBounds[2 * s]!;
  const bytes = new Uint8Array(length);
  const bounds = new Uint32Array(2 * seriesCount);
  let at = 0;
  for (let s = 0; s < seriesCount; s++) {
    bounds[2 * s] = at;
    bytes.set(label, at);
    at += label.length;
    const own = keyBytes.subarray(keyBounds[2 * s]!, keyBounds[2 * s + 1]!);
    bytes.set(own, at);
    at += own.length;
    bounds[2 * s + 1] = at;
  }
  const { keyHashes: _ofOtherKeys, ...rest } = batch;
  return {
    ...rest,
    keyBytes: bytes,
    keyBounds: bounds,
    labelsOf: (s) => batch.labelsOf(s).with(TENANT_LABEL, stored),
    metadata: batch.metadata.map((entry) => ({
      ...entry,
      family: `${stored}${METADATA_SEPARATOR}${entry.family}`,
    })),
  };
}

/** A label message of remote write, which is what keys are made of: `Label{1 name, 2 value}` under field 1. */
function tenantLabelBytes(stored: string): Uint8Array {
  const writer = new ProtobufWriter();
  const label = writer.begin(1);
  writer.writeString(1, TENANT_LABEL);
  writer.writeString(2, stored);
  writer.end(label);
  return writer.finish();
}

/** The families of these tenants; of one that several have, that of the first. */
function metadataOf(store: MetricStore, scope: TenantScope): ReadonlyMap<string, MetricMetadata> {
  const found = new Map<string, MetricMetadata>();
  const wanted = new Set(scope.tenants.map(storedTenant));
  for (const [key, entry] of store.metadata()) {
    const at = key.indexOf(METADATA_SEPARATOR);
    const tenant = at < 0 ? "" : key.slice(0, at);
    const family = key.slice(at + 1);
    if (wanted.has(tenant) && !found.has(family)) found.set(family, { ...entry, family });
  }
  return found;
}
