/** Logs of one container as an API server hands them out: by run, from a whole second on, and followed while the container runs. */
import type { ServerResponse } from "node:http";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { refuse } from "./kubernetes-api.ts";

const POD = "/api/v1/namespaces/demo/pods/web-1";

export class PodLogs {
  /** Lines of the runs, `TIME text`; the last is the one now. */
  readonly runs: string[][] = [[]];
  isGone = false;
  isTerminated = false;
  restartPolicy = "Always";
  readonly #followers = new Set<ServerResponse>();
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
    api.answer = (url, response) => this.#answer(url, response);
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** What was asked of the log. */
  get queries(): Record<string, string>[] {
    return this.#api.requests
      .filter((request) => request.startsWith(`${POD}/log`))
      .map((request) => Object.fromEntries(new URL(request, this.#api.url).searchParams));
  }

  #answer(url: URL, response: ServerResponse): boolean {
    if (url.pathname === "/version") response.end(JSON.stringify({ gitVersion: "v1.31.2" }));
    else if (this.isGone) refuse(response, 404, 'pods "web-1" not found');
    else if (url.pathname === POD) response.end(JSON.stringify(this.#pod()));
    else if (url.pathname === `${POD}/log`) this.#sendLog(url, response);
    else return false;
    return true;
  }

  #pod() {
    const state = this.isTerminated ? { terminated: { exitCode: 0 } } : { running: {} };
    const containerID = `containerd://run-${this.runs.length}`;
    return {
      metadata: { name: "web-1", namespace: "demo", uid: "uid-1" },
      spec: { restartPolicy: this.restartPolicy, containers: [{ name: "main" }] },
      status: { containerStatuses: [{ name: "main", containerID, state }] },
    };
  }

  #sendLog({ searchParams: query }: URL, response: ServerResponse): void {
    const lines = this.runs.at(query.get("previous") === "true" ? -2 : -1);
    if (lines === undefined) {
      refuse(response, 400, "previous terminated container not found");
      return;
    }
    const since = query.get("sinceTime") ?? "";
    response.writeHead(200, { "content-type": "text/plain" });
    response.flushHeaders();
    for (const line of lines) if (line >= since.replace("Z", "")) response.write(`${line}\n`);
    if (query.get("follow") !== "true" || this.isTerminated) {
      response.end();
      return;
    }
    this.#followers.add(response);
    response.on("close", () => this.#followers.delete(response));
  }

  write(...lines: string[]): void {
    this.runs.at(-1)!.push(...lines);
    for (const follower of this.#followers) for (const line of lines) follower.write(`${line}\n`);
  }

  /** Ends the connections; `isClean`: as a server does, else in the middle of a line. */
  cut({ isClean }: { readonly isClean: boolean }): void {
    const followers = [...this.#followers];
    this.#followers.clear();
    for (const follower of followers) {
      if (isClean) follower.end();
      else follower.write("2026-01-01T00:00:59.000000009Z half a li", () => follower.destroy());
    }
  }

  /** The container stops, after lines nobody is sent, and starts again. */
  restart(...lastLines: string[]): void {
    this.runs.at(-1)!.push(...lastLines);
    this.runs.push([]);
    this.cut({ isClean: true });
  }
}
