/**
 * Elasticsearch's `_bulk`: lines of JSON, an action and, but for deletes, a document each. Every operation has an outcome of its own; what cannot be read as
 * actions refuses the whole body, as with Elasticsearch.
 */
import { entryOfDocument } from "./elastic-document.ts";
import type { ElasticDocument, ElasticEntry } from "./elastic-document.ts";
import { badBody, tooLarge } from "./errors.ts";
import { checkJsonShape } from "./json-shape.ts";
import type { LokiPushLimits } from "./limits.ts";
import { decodeLooseUtf8 } from "./loose-utf8.ts";

export interface BulkOptions {
  /** The index of the path, for actions that name none. */
  readonly index: string | undefined;
  readonly nowNs: bigint;
  /** Entries further back or ahead are refused one by one. */
  readonly oldestNs: bigint;
  readonly newestNs: bigint;
  readonly limits: LokiPushLimits;
}

export interface BulkFault {
  readonly status: number;
  readonly type: string;
  readonly reason: string;
}

export interface BulkOperation {
  readonly action: string;
  readonly index: string;
  readonly id: string | undefined;
  /** Set when it cannot be carried out. */
  readonly fault: BulkFault | undefined;
  readonly entry: ElasticEntry | undefined;
}

const ACTIONS: ReadonlySet<string> = new Set(["index", "create", "update", "delete"]);
/** Of one line; what nests deeper would exhaust the stack of whoever walks it. */
const SHAPE = { jsonDepthMax: 64, jsonContainersMax: 100_000 } as const;
const LF = 0x0a;
const CR = 0x0d;

/** Throws a FinchError `invalid` that names the line, or `too-large`. */
export function decodeElasticBulk(body: Uint8Array, options: BulkOptions): BulkOperation[] {
  const operations: BulkOperation[] = [];
  const lines = new Lines(body);
  for (let line = lines.next(); line !== undefined; line = lines.next()) {
    if (line.length === 0) continue;
    if (operations.length >= options.limits.entriesMax)
      throw tooLarge(
        `the request has more than ${options.limits.entriesMax} operations: send smaller batches`,
      );
    const action = readAction(line, lines.number, options.index);
    if (action.name === "delete") operations.push(unsupported(action));
    else {
      const source = lines.next();
      if (source === undefined)
        throw badBody(`action on line ${lines.number} of the bulk body has no document behind it`);
      operations.push(
        action.name === "update" ? unsupported(action) : readDocument(action, source, options),
      );
    }
  }
  return operations;
}

class Lines {
  readonly #bytes: Uint8Array;
  #at = 0;
  /** Of the line that came last, from 1. */
  number = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(): Uint8Array | undefined {
    const bytes = this.#bytes;
    if (this.#at >= bytes.length) return undefined;
    const start = this.#at;
    const found = bytes.indexOf(LF, start);
    const end = found < 0 ? bytes.length : found;
    this.#at = end + 1;
    this.number++;
    return bytes.subarray(start, end > start && bytes[end - 1] === CR ? end - 1 : end);
  }
}

interface Action {
  readonly name: string;
  readonly index: string;
  readonly id: string | undefined;
}

function readAction(line: Uint8Array, number: number, pathIndex: string | undefined): Action {
  const place = `line ${number} of the bulk body`;
  const parsed = parseObject(line);
  if (typeof parsed === "string") throw badBody(`${place} is no action: ${parsed}`);
  const names = Object.keys(parsed);
  const [name = ""] = names;
  const target = parsed[name];
  if (names.length !== 1 || !ACTIONS.has(name) || typeof target !== "object" || target === null)
    throw badBody(`${place} is no action: {"create":{…}} or {"index":{…}} is expected`);
  const { _index: own, _id: id } = target as ElasticDocument;
  const index = typeof own === "string" && own !== "" ? own : pathIndex;
  if (index === undefined) throw badBody(`${place} names no index, and neither does the path`);
  return { name, index, id: typeof id === "string" ? id : undefined };
}

function readDocument(action: Action, source: Uint8Array, options: BulkOptions): BulkOperation {
  const { index } = action;
  const refuse = (type: string, reason: string) => refused(action, { status: 400, type, reason });
  const document = parseObject(source);
  if (typeof document === "string")
    return refuse("document_parsing_exception", `failed to parse: ${document}`);
  const made = entryOfDocument(document, {
    index,
    text: source,
    nowNs: options.nowNs,
    limits: options.limits,
  });
  const { line, timeNs } = made.entry;
  const { lineBytesMax } = options.limits;
  if (line.length > lineBytesMax)
    return refuse(
      "illegal_argument_exception",
      `a line of ${line.length} bytes is longer than ${lineBytesMax} bytes`,
    );
  if (timeNs < options.oldestNs || timeNs > options.newestNs)
    return refuse(
      "illegal_argument_exception",
      `@timestamp is too ${timeNs < options.oldestNs ? "old" : "new"}`,
    );
  return { action: action.name, index, id: action.id, fault: undefined, entry: made };
}

function unsupported(action: Action): BulkOperation {
  const reason = `lines of logs cannot be changed: ${action.name} is not supported, create and index are`;
  return refused(action, { status: 400, type: "illegal_argument_exception", reason });
}

function refused({ id, index, name }: Action, fault: BulkFault): BulkOperation {
  return { action: name, index, id, fault, entry: undefined };
}

/** The object that a line is, or what is wrong with it. */
function parseObject(line: Uint8Array): ElasticDocument | string {
  let value: unknown;
  try {
    checkJsonShape(line, SHAPE);
    value = JSON.parse(decodeLooseUtf8(line));
  } catch (error) {
    return (error as Error).message;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as ElasticDocument)
    : "it is no object";
}

/** The answer; `isBrief` leaves out what senders that filter their answers do not ask for. */
export function encodeBulkReply(
  operations: readonly BulkOperation[],
  { isBrief, tookMs }: { readonly isBrief: boolean; readonly tookMs: number },
): string {
  const items = operations.map(({ action, fault, id, index }) => ({
    [action]: {
      ...(isBrief ? {} : { _index: index, _id: id ?? "" }),
      ...(fault === undefined
        ? { ...(isBrief ? {} : { _version: 1, result: "created" }), status: 201 }
        : { status: fault.status, error: { type: fault.type, reason: fault.reason } }),
    },
  }));
  return JSON.stringify({
    took: tookMs,
    errors: operations.some(({ fault }) => fault !== undefined),
    items,
  });
}
