/** Label names, values and series of a store: over its heads and blocks, for both signals. */
import type { Labels } from "@finch/model";
import type { LabelScope } from "./api.ts";
import type { Block } from "./block.ts";
import { isInGap } from "./hidden-rows.ts";
import type { Gaps } from "./hidden-rows.ts";
import { mergeLabelSets } from "./label-index.ts";
import { selectSeries } from "./label-select.ts";
import { createPacer } from "./pacer.ts";
import type { Pacer } from "./pacer.ts";
import type { Head, StoreCore } from "./store-core.ts";

export interface RangedHead extends Head {
  /** Those of `series` with a row in the range. */
  seriesInRange(series: Uint32Array, startMs: number, endMs: number): Uint32Array;
}

/** Tells of the series of a block their oldest and newest row, from what the index keeps with each. */
export type RangesOf = (block: Block) => (payload: Uint8Array) => RowRange | Promise<RowRange>;

export interface RowRange {
  readonly minMs: number;
  readonly maxMs: number;
}

interface SelectOptions {
  readonly name?: string;
  readonly values?: Set<string>;
  readonly leaveOut?: boolean;
}

export class StoreLabels {
  readonly #core: StoreCore<RangedHead>;
  readonly #rangesOf: RangesOf;

  constructor(core: StoreCore<RangedHead>, rangesOf: RangesOf) {
    this.#core = core;
    this.#rangesOf = rangesOf;
  }

  async names(scope: LabelScope): Promise<string[]> {
    const names = new Set<string>();
    for await (const labels of this.#select(scope)) for (const [name] of labels) names.add(name);
    return [...names].sort();
  }

  async values(name: string, scope: LabelScope): Promise<string[]> {
    const values = new Set<string>();
    for await (const labels of this.#select(scope, { name, values })) {
      const value = labels.get(name);
      if (value !== "") values.add(value);
    }
    return [...values].sort();
  }

  async series(scope: LabelScope): Promise<Labels[]> {
    const found: Labels[] = [];
    for await (const labels of this.#select(scope, { leaveOut: true })) found.push(labels);
    return mergeLabelSets(found);
  }

  /**
   * Label sets in scope, some more than once. With `name`, blocks that lie in the scope as a whole add its values to `values` instead; with
   * `leaveOut`, series all of whose rows in scope are deleted or expired are not among them.
   */
  async *#select(
    scope: LabelScope,
    { name, values, leaveOut = false }: SelectOptions = {},
  ): AsyncGenerator<Labels> {
    const { matchers, startMs, endMs } = scope;
    const view = this.#core.view(startMs, endMs);
    const pacer = createPacer(this.#core.clock);
    try {
      for (const head of view.heads) {
        const series = await selectSeries(head.index, matchers, pacer);
        const gaps = leaveOut ? await view.hidden.inHead(head, pacer) : undefined;
        for (const number of head.seriesInRange(series, startMs, endMs)) {
          const expired = gaps?.of(number)?.at(-1);
          if (expired !== undefined) {
            const fromMs = Math.max(startMs, expired.endMs + 1);
            if (fromMs > endMs) continue;
            if (head.seriesInRange(Uint32Array.of(number), fromMs, endMs).length === 0) continue;
          }
          yield head.index.labelsOf(number);
          if (pacer.isDue()) await pacer.rest();
        }
      }
      for (const block of view.blocks) {
        const isInside = block.meta.minMs >= startMs && block.meta.maxMs <= endMs;
        if (name !== undefined && matchers.length === 0 && isInside) {
          for (const value of await block.index.valuesOf(name)) values?.add(value);
          continue;
        }
        const gaps = leaveOut ? await view.hidden.inBlock(block, pacer) : undefined;
        yield* this.#selectBlock(block, scope, { gaps, pacer });
      }
    } catch (error) {
      await this.#core.blockSet.setAside(error);
      throw error;
    } finally {
      await view.release();
    }
  }

  async *#selectBlock(
    block: Block,
    scope: LabelScope,
    { gaps, pacer }: { readonly gaps: Gaps | undefined; readonly pacer: Pacer },
  ): AsyncGenerator<Labels> {
    const rangeOf = this.#rangesOf(block);
    const numbers = await block.index.select(scope.matchers, pacer);
    for await (const page of block.index.seriesOf(numbers)) {
      for (const { number, labels, payload } of page) {
        const { minMs, maxMs } = await rangeOf(payload);
        if (minMs > scope.endMs || maxMs < scope.startMs) continue;
        const fromMs = Math.max(minMs, scope.startMs);
        if (!isInGap(gaps?.of(number), fromMs, Math.min(maxMs, scope.endMs))) yield labels;
      }
      if (pacer.isDue()) await pacer.rest();
    }
  }
}
