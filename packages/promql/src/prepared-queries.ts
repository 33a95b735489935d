/** Queries of late, parsed and checked: a dashboard asks the same texts again and again, and a small query takes as long to parse as to read. */
import type { Expr } from "./ast.ts";

/** A query that was parsed and checked. Immutable: may be kept and shared; to another thread goes its text. */
export interface PreparedQuery {
  /** The text; places in faults and remarks refer to it. */
  readonly query: string;
  readonly expr: Expr;
}

/** Characters of all texts kept; a tree takes some hundred bytes for each. The query not asked for longest goes first. */
const LENGTH_TOGETHER_MAX = 16_384;
/** Longer texts are not kept. Without it one query would drive out all others. */
const LENGTH_MAX = 512;
/** Without it thousands of queries of few characters would stay. */
const QUERIES_MAX = 256;

/** For the queries of one engine. */
export class PreparedQueries {
  readonly #parse: (query: string) => Expr;
  readonly #kept = new Map<string, PreparedQuery>();
  #length = 0;

  /** `parse` throws what is wrong with a query; such are not kept. */
  constructor(parse: (query: string) => Expr) {
    this.#parse = parse;
  }

  get(query: string): PreparedQuery {
    const known = this.#kept.get(query);
    if (known !== undefined) {
      this.#kept.delete(query);
      this.#kept.set(query, known);
      return known;
    }
    const prepared = { query, expr: this.#parse(query) };
    // Regular expressions grow with what they are matched with, so those go with their query.
    if (query.length <= LENGTH_MAX && !query.includes("~")) this.#keep(prepared);
    return prepared;
  }

  #keep(prepared: PreparedQuery): void {
    this.#kept.set(prepared.query, prepared);
    this.#length += prepared.query.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= QUERIES_MAX && this.#length <= LENGTH_TOGETHER_MAX) return;
      this.#kept.delete(oldest);
      this.#length -= oldest.length;
    }
  }
}
