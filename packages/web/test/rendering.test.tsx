import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { renderToString } from "react-dom/server";
import type { ReactNode } from "react";
import { Router } from "wouter";
import { ResultTable } from "../src/explore/result-table.tsx";
import { HomePage } from "../src/home/home-page.tsx";
import { MachineHeader } from "../src/home/machine-header.tsx";
import { LogRow } from "../src/logs/log-row.tsx";
import { toLogLine } from "../src/logs/log-line.ts";
import { LevelChips } from "../src/logs/log-volume.tsx";
import { RangeProvider } from "../src/time/range-context.tsx";

function render(node: ReactNode, search = ""): string {
  const client = new QueryClient();
  const html = renderToString(
    <QueryClientProvider client={client}>
      <Router ssrPath="/" ssrSearch={search}>
        <RangeProvider>{node}</RangeProvider>
      </Router>
    </QueryClientProvider>,
  );
  client.clear();
  return html.replaceAll("<!-- -->", "");
}

const machine = {
  hostname: "box",
  os: "Debian GNU/Linux 12",
  kernel: "6.1",
  cpus: 2,
  memoryBytes: 8 * 2 ** 30,
  uptimeSeconds: 7200,
  version: "0.1.0",
  dataDir: "/d",
  components: [{ id: "a", health: "healthy", message: "" }],
};

describe("rendered once", () => {
  test("Home before anything is known says what it waits for", () => {
    const html = render(<HomePage />);
    assert.match(html, /Waiting for the first scrape…/);
    assert.match(html, /Reading the logs…/);
    assert.match(html, /aria-pressed="true"[^>]*>5m/);
  });
  test("a fixed range of the URL is shown as held", () => {
    const html = render(<HomePage />, "from=1700000000000&to=1700000600000");
    assert.match(html, /class="live" aria-pressed="false"/);
  });
  test("the machine and its stop", () => {
    const html = render(
      <MachineHeader machine={machine} reachable staleSince={1_700_000_000}>
        {null}
      </MachineHeader>,
    );
    assert.match(html, /<h1>box<\/h1>/);
    assert.match(html, /2 cores/);
    assert.match(html, /8 GiB/);
    assert.match(html, /no data since 2023-11-1\d/);
    assert.doesNotMatch(
      render(
        <MachineHeader machine={machine} reachable staleSince={undefined}>
          {null}
        </MachineHeader>,
      ),
      /no data since/,
    );
  });
});

describe("parts rendered once", () => {
  test("a line opens to its fields, and its text is never markup", () => {
    const line = toLogLine(
      {
        timeNs: "1700000000000000000",
        line: '{"msg":"<b>hot</b>","code":500}',
        labels: { service_name: "web" },
        metadata: { detected_level: "error" },
      },
      undefined,
    );
    const html = render(
      <LogRow
        line={line}
        open
        marked={false}
        pattern={/hot/g}
        withDay={false}
        onToggle={() => {}}
        onFilter={() => {}}
        onContext={undefined}
      />,
    );
    assert.match(html, /log-error/);
    assert.match(html, /<mark>hot<\/mark>/);
    assert.match(html, /Only lines with code = 500/);
    assert.doesNotMatch(html, /<b>hot/);
  });
  test("levels show their counts and whether they are chosen", () => {
    const html = render(
      <LevelChips
        counts={new Map([["error", 3]])}
        chosen={new Set(["error"])}
        onToggle={() => {}}
      />,
    );
    assert.match(html, /aria-pressed="true"[^]*error<b>3<\/b>/);
  });
  test("a table has a sortable head per label and the value", () => {
    const html = render(
      <ResultTable series={[{ labels: { __name__: "up", job: "a" }, times: [1], values: [1] }]} />,
    );
    assert.equal(html.match(/<th /g)?.length, 3);
    assert.match(html, /<td class="number">1<\/td>/);
  });
});
