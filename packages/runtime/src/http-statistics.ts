/** Counts what a listener answered: by route pattern, method and status, with a duration histogram each. */
import type { MetricFamily, MetricSample } from "./metric-family.ts";

const BOUNDS_SECONDS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60] as const;

interface Row {
  readonly labels: {
    readonly listener: string;
    readonly route: string;
    readonly method: string;
    readonly status: string;
  };
  readonly status: number;
  count: number;
  secondsSum: number;
  readonly buckets: number[];
}

export class HttpStatistics {
  readonly #listener: string;
  readonly #rows = new Map<string, Row>();
  /** The row that was counted in last: the next is often the same. */
  #last: Row | undefined;
  inFlight = 0;

  constructor(listener: string) {
    this.#listener = listener;
  }

  /** `route` is the pattern, not the path: paths are the client's to choose and would grow without bound. */
  record(route: string, method: string, status: number, seconds: number): void {
    const row = this.#rowOf(route, method, status);
    row.count++;
    row.secondsSum += seconds;
    for (let i = BOUNDS_SECONDS.length - 1; i >= 0 && seconds <= BOUNDS_SECONDS[i]!; i--) {
      row.buckets[i]!++;
    }
  }

  #rowOf(route: string, method: string, status: number): Row {
    const last = this.#last;
    if (last?.status === status && last.labels.route === route && last.labels.method === method)
      return last;
    const key = `${route}\n${method}\n${status}`;
    let row = this.#rows.get(key);
    if (row === undefined) {
      const labels = { listener: this.#listener, route, method, status: String(status) };
      row = { labels, status, count: 0, secondsSum: 0, buckets: BOUNDS_SECONDS.map(() => 0) };
      this.#rows.set(key, row);
    }
    this.#last = row;
    return row;
  }

  families(): readonly MetricFamily[] {
    const duration: MetricSample[] = [];
    for (const row of this.#rows.values()) {
      for (const [index, bound] of BOUNDS_SECONDS.entries()) {
        const labels = { ...row.labels, le: String(bound) };
        duration.push({ suffix: "_bucket", labels, value: row.buckets[index]! });
      }
      duration.push({ suffix: "_bucket", labels: { ...row.labels, le: "+Inf" }, value: row.count });
      duration.push({ suffix: "_sum", labels: row.labels, value: row.secondsSum });
      duration.push({ suffix: "_count", labels: row.labels, value: row.count });
    }
    return [
      {
        name: "finch_http_request_duration_seconds",
        type: "histogram",
        help: "Time from the request's headers to the end of its reply.",
        samples: duration,
      },
      {
        name: "finch_http_requests_in_flight",
        type: "gauge",
        help: "Requests being answered now.",
        samples: [{ labels: { listener: this.#listener }, value: this.inFlight }],
      },
    ];
  }
}
