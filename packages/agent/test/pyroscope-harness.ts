/** For the tests of the profile components: a whole agent by its configuration, and a server in the place of Pyroscope that keeps what it gets. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { startAgent, type Agent } from "../src/runtime/agent.ts";
import { temporaryDirectory } from "./component-harness.ts";

export interface KeptRequest {
  /** With the query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export interface FakePyroscope extends AsyncDisposable {
  readonly url: string;
  readonly requests: KeptRequest[];
  /** Decides the answers; 200 with nothing unless set. `hang`: none comes. */
  answer: (request: KeptRequest) => Answer | Promise<Answer>;
}

export interface Answer {
  readonly status: number | "hang";
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function startFakePyroscope(): Promise<FakePyroscope> {
  const requests: KeptRequest[] = [];
  const fake = { answer: (_request: KeptRequest): Answer | Promise<Answer> => ({ status: 200 }) };
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    const reply = async () => {
      const { url: path = "", headers } = message;
      const request = { path, headers, body: Buffer.concat(chunks) };
      requests.push(request);
      const { status, body = "", headers: answered = {} } = await fake.answer(request);
      if (status === "hang") return;
      response.writeHead(status, answered);
      response.end(body);
    };
    message.on("end", () => void reply());
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return Object.assign(fake, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Runs a configuration; a reload takes another text. */
export async function startAgentWith(config: string): Promise<
  AsyncDisposable & {
    readonly agent: Agent;
    reload(config: string): Promise<void>;
  }
> {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "config.alloy");
  await writeFile(path, config);
  const stop = new AbortController();
  const agent = await startAgent({
    source: { path },
    storagePath: join(directory.path, "data"),
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment: { env: () => "", hostname: "box", os: "linux", arch: "amd64", version: "v1" },
    signal: stop.signal,
    logSink: () => {},
  });
  return {
    agent,
    reload: async (text) => {
      await writeFile(path, text);
      await agent.reload();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await agent.done;
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Waits for what another process or a timer brings about. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error("it did not come in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
