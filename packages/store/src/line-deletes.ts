/** Deletes of log lines as the store offers them: made, listed, taken back. The lines are left out of answers at once (`hidden-lines.ts`). */
import type { CompileSelection, LineDelete } from "./api.ts";
import type { Delete } from "./deletes.ts";
import { deleteBegun, noSelections, noSuchDelete } from "./errors.ts";
import { isInHeads } from "./head-rows.ts";
import type { LogHead } from "./log-head.ts";
import type { StoreCore } from "./store-core.ts";

const NS_PER_MS = 1_000_000n;

export class LineDeletes {
  readonly #core: StoreCore<LogHead>;
  readonly #compile: CompileSelection | undefined;
  readonly #directory: string;

  constructor(
    core: StoreCore<LogHead>,
    options: { readonly directory: string; readonly compileSelection?: CompileSelection },
  ) {
    this.#core = core;
    this.#compile = options.compileSelection;
    this.#directory = options.directory;
  }

  async add(request: {
    readonly query: string;
    readonly startNs: bigint;
    readonly endNs: bigint;
  }): Promise<LineDelete> {
    const core = this.#core;
    const { query, startNs, endNs } = request;
    if (this.#compile === undefined) throw noSelections(this.#directory);
    const { matchers, rows } = this.#compile(query);
    const span = { matchers, startMs: floorMs(startNs), endMs: floorMs(endNs) };
    const createdMs = core.clock.nowMs();
    if (await isInHeads(core, span)) await core.flush();
    const lines = { query, startNs, endNs, createdMs, rows };
    const added = await core.deletes.add({ ...span, seal: core.blockSet.lastSeal, lines });
    return { id: added.id, query, startNs, endNs, createdMs, status: "received" };
  }

  /** The oldest first. */
  list(): readonly LineDelete[] {
    const { entries, processed } = this.#core.deletes;
    const received = entries.flatMap(({ id, lines }) =>
      lines === undefined ? [] : [describe({ ...lines, id }, "received")],
    );
    return [...processed.map((entry) => describe(entry, "processed")), ...received];
  }

  async cancel(id: number, { force }: { readonly force: boolean }): Promise<void> {
    const { entries, processed } = this.#core.deletes;
    const entry = entries.find((one) => one.id === id);
    if (entry === undefined) {
      throw processed.some((one) => one.id === id)
        ? deleteBegun("deletion of request which is in process or already processed is not allowed")
        : noSuchDelete();
    }
    if (!force && this.#isBegun(entry)) {
      throw deleteBegun(
        "Unable to cancel partially completed delete request. To force, use the ?force query parameter",
      );
    }
    await this.#core.deletes.cancel(id);
  }

  /** Whether a block was written without some of its lines, or may have been. */
  #isBegun({ id, seal, startMs, endMs }: Delete): boolean {
    return this.#core.blockSet.blocks.some(
      ({ meta }) =>
        meta.deletes >= id && meta.lastSeal <= seal && meta.minMs <= endMs && meta.maxMs >= startMs,
    );
  }
}

function describe(lines: Omit<LineDelete, "status">, status: LineDelete["status"]): LineDelete {
  const { id, query, startNs, endNs, createdMs } = lines;
  return { id, query, startNs, endNs, createdMs, status };
}

function floorMs(ns: bigint): number {
  const ms = ns / NS_PER_MS;
  return Number(ns < 0n && ns % NS_PER_MS !== 0n ? ms - 1n : ms);
}
