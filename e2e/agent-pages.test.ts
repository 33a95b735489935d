/**
 * The pages of a real `finch agent run` in a real browser: rates appear at edges of the drawn graph, a click leads to a component, what passes and
 * what is dropped can be watched, nothing is asked from elsewhere, and nothing is wider than a phone. Skipped where Debian's chromium is not installed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { launchBrowser, reasonToSkipBrowser } from "./browser.ts";
import { freePort } from "./finch-process.ts";

const FINCH = join(import.meta.dirname, "../packages/finch/bin/finch");

function config(directory: string): string {
  return `
livedebugging { enabled = true }
loki.source.file "app" {
	targets    = [{__path__ = "${directory}/app.log", job = "app"}]
	forward_to = [loki.process.app.receiver]
}
loki.process "app" {
	forward_to = [loki.echo.end.receiver]
	stage.drop {
		expression          = "noise"
		drop_counter_reason = "noisy"
	}
}
loki.echo "end" { }
`;
}

/** An agent that tails a file to which lines are added all the time. */
async function startAgentProcess() {
  const directory = await mkdtemp(join(tmpdir(), "finch-agent-pages-"));
  const path = join(directory, "config.alloy");
  await writeFile(path, config(directory));
  await writeFile(join(directory, "app.log"), "first\n");
  const port = await freePort();
  const args = [`--storage.path=${directory}/data`, `--server.http.listen-addr=127.0.0.1:${port}`];
  const child = spawn(FINCH, ["agent", "run", path, ...args], { stdio: "ignore" });
  const url = `http://127.0.0.1:${port}`;
  while (
    !(await fetch(`${url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    assert.equal(child.exitCode, null, "the agent ended");
    await sleep(50);
  }
  const stop = new AbortController();
  const writing = (async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      await appendFile(join(directory, "app.log"), `line ${i} <b>\nnoise ${i}\n`);
      await sleep(20);
    }
  })();
  return {
    url,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await writing;
      child.kill("SIGTERM");
      await once(child, "exit");
      await rm(directory, { recursive: true });
    },
  };
}

test("the pages of the agent", { skip: reasonToSkipBrowser(), timeout: 120_000 }, async (t) => {
  await using agent = await startAgentProcess();
  const browser = await launchBrowser();
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    const asked: string[] = [];
    const faults: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    await t.test("rates appear at the edges, and a node is reached by keyboard", async () => {
      await page.goto(agent.url);
      const rate = page.locator('.wide [data-rate="loki.source.file.app loki.process.app"]');
      await rate.filter({ hasText: /[0-9] lines\/s/ }).waitFor();
      await page.locator('.wide a:has([data-id="loki.process.app"])').focus();
      await page.keyboard.press("Enter");
      await page.waitForURL("**/component/loki.process.app");
    });
    await t.test("what passes is shown as text, and a filter leaves out the rest", async () => {
      await page.getByRole("button", { name: "Watch" }).click();
      await page.locator(".tail li", { hasText: "<b>" }).first().waitFor();
      await page.getByRole("searchbox").fill("noise");
      await page.locator(".tail li:visible", { hasText: "noise" }).first().waitFor();
      assert.equal(await page.locator(".tail li:visible", { hasText: "<b>" }).count(), 0);
      assert.ok((await page.locator(".tail li").count()) <= 500);
      await page.getByRole("button", { name: "Pause" }).click();
    });
    await t.test("what was dropped stands there with reason and place", async () => {
      await page.goto(`${agent.url}/dropped`);
      const row = page.locator("tr", { hasText: "noisy" });
      await row.filter({ hasText: /stage\[0\] .*config\.alloy:9:2/ }).waitFor();
      await page.getByRole("button", { name: "Watch" }).click();
      await page.locator(".tail li", { hasText: "noise" }).first().waitFor();
    });
    await t.test("nothing is wider than a phone", async () => {
      await page.setViewportSize({ width: 360, height: 740 });
      for (const path of ["/", "/component/loki.process.app", "/dropped"]) {
        await page.goto(agent.url + path);
        const width = await page.evaluate("document.documentElement.scrollWidth");
        assert.equal(width, 360, path);
      }
      await page.goto(agent.url);
      assert.equal(await page.locator("svg:visible").count(), 1);
    });
    assert.deepEqual(faults, []);
    assert.deepEqual(
      asked.filter((url) => !url.startsWith(agent.url)),
      [],
    );
  } finally {
    await browser.close();
  }
});
