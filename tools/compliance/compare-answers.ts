/** Two servers' answers to one query, and whether they are the same. */
import { Agent, request } from "node:http";

/** Relative difference of two doubles that counts as equal: both servers compute in doubles, in a different order of operations. */
const TOLERANCE = 1e-9;

export interface Question {
  readonly query: string;
  readonly kind: "instant" | "range";
  /** Unix seconds; of an instant, `end` alone counts. */
  readonly start: number;
  readonly end: number;
  readonly stepSeconds: number;
}

type Point = readonly [seconds: number, value: string];

export interface Answer {
  readonly status: number;
  readonly errorType: string | undefined;
  readonly error: string | undefined;
  readonly resultType: string | undefined;
  readonly series: readonly { readonly labels: string; readonly points: readonly Point[] }[];
}

export class Asker implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 });

  async ask(base: string, { query, kind, start, end, stepSeconds }: Question): Promise<Answer> {
    const parameters: Record<string, string> =
      kind === "instant"
        ? { query, time: String(end) }
        : { query, start: String(start), end: String(end), step: String(stepSeconds) };
    const path = kind === "instant" ? "query" : "query_range";
    const { status, text } = await this.#post(`${base}/api/v1/${path}`, parameters);
    return parseAnswer(status, text);
  }

  #post(
    url: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly text: string }> {
    const body = new URLSearchParams(parameters).toString();
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { agent: this.#agent, method: "POST", headers }, (reply) => {
        let text = "";
        reply.setEncoding("utf8");
        reply.on("data", (chunk: string) => (text += chunk));
        reply.on("error", reject);
        reply.on("end", () => resolve({ status: reply.statusCode ?? 0, text }));
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

interface ReplyBody {
  readonly errorType?: string;
  readonly error?: string;
  readonly data?: {
    readonly resultType: string;
    readonly result:
      | Point
      | readonly {
          readonly metric: Record<string, string>;
          readonly value?: Point;
          readonly values?: readonly Point[];
        }[];
  };
}

function parseAnswer(status: number, text: string): Answer {
  const { errorType, error, data } = JSON.parse(text) as ReplyBody;
  const { resultType, result = [] } = data ?? {};
  const isPlain = resultType === "scalar" || resultType === "string";
  const list = isPlain
    ? [{ metric: {}, value: result as Point }]
    : (result as Exclude<typeof result, Point>);
  const series = list.map(({ metric, value, values }) => ({
    labels: JSON.stringify(Object.entries(metric).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    points: values ?? [value!],
  }));
  return { status, errorType, error, resultType, series };
}

/** The first difference in words, or undefined. Where the order of series is not promised, it does not count. */
export function difference(theirs: Answer, ours: Answer): string | undefined {
  if (theirs.status !== ours.status || theirs.errorType !== ours.errorType)
    return `status ${theirs.status} ${theirs.errorType ?? ""} ${theirs.error ?? ""}, Finch ${ours.status} ${ours.errorType ?? ""} ${ours.error ?? ""}`;
  if (theirs.resultType !== ours.resultType)
    return `a ${theirs.resultType}, Finch a ${ours.resultType}`;
  const byLabels = new Map(ours.series.map(({ labels, points }) => [labels, points]));
  if (byLabels.size !== theirs.series.length)
    return `${theirs.series.length} series, Finch has ${byLabels.size}`;
  for (const { labels, points } of theirs.series) {
    const found = byLabels.get(labels);
    if (found === undefined) return `Finch does not have ${labels}`;
    if (found.length !== points.length)
      return `${labels}: ${points.length} points, Finch has ${found.length}`;
    for (const [i, [time, value]] of points.entries()) {
      const [ourTime, ourValue] = found[i]!;
      if (time !== ourTime || !isEqual(value, ourValue))
        return `${labels} at ${time}: ${value}, Finch ${ourValue} at ${ourTime}`;
    }
  }
  return undefined;
}

function isEqual(a: string, b: string): boolean {
  const [x, y] = [Number(a), Number(b)];
  return a === b || Math.abs(x - y) <= TOLERANCE * Math.max(Math.abs(x), Math.abs(y));
}
