/**
 * What flows between `otelcol.*` components: spans, data points or log records as one OTLP request. It holds the request's bytes, its tree, or both,
 * and makes one of the other when asked: components that only pass it on never decode it, and it is encoded once after the last change.
 *
 * Ownership: whoever is handed a batch owns it, and the sender does not touch it again. A sender that hands one batch to several, or may offer it
 * again, calls {@link TelemetryBatch.share} before; each receiver then changes a copy of its own.
 */
import { checkOtlpRequest, decodeOtlpTree, DEFAULT_OTLP_LIMITS, encodeOtlpTree } from "@finch/wire";
import type { OtlpLimits, OtlpSignal, OtlpTrees } from "@finch/wire";
import { assert } from "@finch/runtime";
import { countItems } from "./telemetry-items.ts";

/** Who sent a batch: of the request that it came with, when the receiver has `include_metadata`. */
export interface ClientInfo {
  /** Headers or gRPC metadata, names in lower case. */
  readonly metadata: ReadonlyMap<string, readonly string[]>;
  /** The sender's IP address; empty where there is none. */
  readonly address: string;
}

export const NO_CLIENT: ClientInfo = { metadata: new Map(), address: "" };

/** A batch of any signal; narrow by `signal`. */
export type AnyBatch = {
  readonly [Signal in OtlpSignal]: TelemetryBatch<Signal>;
}[OtlpSignal];

/** What was checked or made here may be of any size: the limits on requests do not apply to what batching has joined. */
const OWN_LIMITS: OtlpLimits = {
  ...DEFAULT_OTLP_LIMITS,
  decodedBytesMax: Infinity,
  elementsMax: Infinity,
};

export class TelemetryBatch<Signal extends OtlpSignal = OtlpSignal> {
  readonly signal: Signal;
  readonly client: ClientInfo;
  #bytes: Uint8Array | undefined;
  #tree: OtlpTrees[Signal] | undefined;
  #items: number | undefined;
  #isShared = false;

  private constructor(
    signal: Signal,
    content: {
      readonly bytes?: Uint8Array;
      readonly tree?: OtlpTrees[Signal];
      readonly items?: number;
    },
    client: ClientInfo,
  ) {
    this.signal = signal;
    this.client = client;
    this.#bytes = content.bytes;
    this.#tree = content.tree;
    this.#items = content.items;
  }

  /** A batch of a request as it came. Throws a FinchError when it is not well formed or too large: it could spoil what it is joined with. */
  static ofRequest<Signal extends OtlpSignal>(
    signal: Signal,
    bytes: Uint8Array,
    { client = NO_CLIENT, limits = DEFAULT_OTLP_LIMITS } = {},
  ): TelemetryBatch<Signal> {
    const { items } = checkOtlpRequest(signal, bytes, limits);
    return new TelemetryBatch<Signal>(signal, { bytes, items }, client);
  }

  /** A batch of bytes that are known to be a request with so many items, such as batches that were joined. */
  static ofBytes<Signal extends OtlpSignal>(
    signal: Signal,
    content: { readonly bytes: Uint8Array; readonly items: number },
    client: ClientInfo = NO_CLIENT,
  ): TelemetryBatch<Signal> {
    return new TelemetryBatch(signal, content, client);
  }

  /** A batch of a tree, which it takes over: the caller must not change it any more. */
  static ofTree<Signal extends OtlpSignal>(
    signal: Signal,
    tree: OtlpTrees[Signal],
    client: ClientInfo = NO_CLIENT,
  ): TelemetryBatch<Signal> {
    return new TelemetryBatch(signal, { tree }, client);
  }

  /** Spans, data points or log records. */
  get items(): number {
    return (this.#items ??= countItems(this.signal, this.#ownTree()));
  }

  /** The request. Must not be changed. */
  bytes(): Uint8Array {
    return (this.#bytes ??= encodeOtlpTree(this.signal, this.#ownTree()));
  }

  /** The request as a tree to look at. Must not be changed. */
  tree(): OtlpTrees[Signal] {
    return (this.#tree ??= this.#decode());
  }

  /**
   * The request as a tree that is the caller's to change, for a batch of its own (`TelemetryBatch.ofTree`). A batch that is not shared is spent by
   * this: it must not be used again.
   */
  takeTree(): OtlpTrees[Signal] {
    if (this.#isShared) return this.#decode();
    const tree = this.tree();
    this.#tree = undefined;
    this.#bytes = undefined;
    return tree;
  }

  /** Makes the batch one that several may have: it can be handed on more than once, and nobody changes it. */
  share(): void {
    if (this.#isShared) return;
    this.#isShared = true;
    this.bytes();
  }

  #decode(): OtlpTrees[Signal] {
    assert(this.#bytes !== undefined, "a batch whose tree was taken is not used again");
    return decodeOtlpTree(this.signal, this.#bytes, OWN_LIMITS);
  }

  #ownTree(): OtlpTrees[Signal] {
    assert(this.#tree !== undefined, "a batch whose tree was taken is not used again");
    return this.#tree;
  }
}

/** Batches of one signal as one, without decoding any: repeated fields of protobuf messages are joined by joining the messages. */
export function joinBatches<Signal extends OtlpSignal>(
  signal: Signal,
  batches: readonly TelemetryBatch<Signal>[],
  client: ClientInfo = NO_CLIENT,
): TelemetryBatch<Signal> {
  if (batches.length === 1 && batches[0]!.client === client) return batches[0]!;
  const bytes = Buffer.concat(batches.map((batch) => batch.bytes()));
  const items = batches.reduce((sum, batch) => sum + batch.items, 0);
  return TelemetryBatch.ofBytes(signal, { bytes, items }, client);
}
