/**
 * The live tail in a real browser, before a real Finch that takes thousands of lines a second: the list stays small, the line somebody reads does
 * not move, what waits is counted, and following goes on at the newest line. Skipped where Debian's chromium is not installed.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Page } from "playwright-core";
import { launchBrowser, reasonToSkipBrowser } from "./browser.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";

const BATCH_LINES = 500;
/** Below the 5,000 that the page holds, times what a row is made of; without a virtual list there were 30,000. */
const NODES_MAX = 3000;

/** Pushes batches one after the other until told to stop; resolves with how many lines were taken. */
async function pushLines(url: string, stop: AbortSignal): Promise<number> {
  let count = 0;
  while (!stop.aborted) {
    const nowNs = BigInt(Date.now()) * 1_000_000n;
    const values = Array.from({ length: BATCH_LINES }, (_, i) => [
      String(nowNs + BigInt(i)),
      `level=info n=${count + i} msg="request served" path=/api/v1/things/${i} took=${i % 97}ms`,
    ]);
    const reply = await fetch(`${url}/loki/api/v1/push`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ streams: [{ stream: { job: "load" }, values }] }),
    });
    assert.equal(reply.status, 204, await reply.text());
    count += BATCH_LINES;
    await sleep(100, undefined, { signal: stop }).catch(() => {});
  }
  return count;
}

interface Reading {
  readonly text: string;
  readonly top: number;
  /** What the button says that leads back to the newest line. */
  readonly button: string;
}

/** The first line that stands wholly in the list, and where in it: what is above the list may still be loading. */
async function readLine(page: Page): Promise<Reading> {
  return (await page.evaluate(`(() => {
    const list = document.querySelector("[aria-label='Log lines']");
    const edge = list.getBoundingClientRect().top;
    const row = [...list.querySelectorAll("[data-index]")].find((one) => one.getBoundingClientRect().top >= edge);
    const button = document.querySelector(".log-resume");
    return { text: row.innerText, top: row.getBoundingClientRect().top - edge, button: button?.innerText ?? "" };
  })()`)) as Reading;
}

const countOf = (button: string) =>
  Number(/^([\d,]+) new lines/.exec(button)?.[1]?.replaceAll(",", "") ?? 0);

describe("the live tail", { skip: reasonToSkipBrowser() }, () => {
  for (const [device, viewport] of [
    ["a desktop", { width: 1440, height: 900 }],
    ["a phone", { width: 390, height: 844 }],
  ] as const) {
    test(
      `on ${device}: holds still while somebody reads, and stays small`,
      { timeout: 180_000 },
      async (t) => {
        const directory = await mkdtemp(join(tmpdir(), "finch-tail-"));
        t.after(() => rm(directory, { recursive: true }));
        await writeIdleAgent(directory);
        const ui = await freePort();
        await using finch = await startFinch(directory, { ...(await freePorts()), ui });
        const stop = new AbortController();
        const pushed = pushLines(finch.lokiUrl, stop.signal);
        t.after(() => stop.abort());
        const browser = await launchBrowser();
        t.after(() => browser.close());
        const page = await browser.newPage({ viewport });
        const faults: string[] = [];
        page.on("pageerror", (error) => faults.push(error.message));
        await page.goto(`http://127.0.0.1:${ui}`);
        const status = page.locator(".logs .panel-head .hint");
        await status.getByText(/^5,000 lines · following$/).waitFor({ timeout: 60_000 });
        await page.locator("[aria-label='Log lines']").evaluate((list) => {
          list.scrollTop -= 2000;
        });
        const button = page.locator(".log-resume");
        await button.getByText(/^[\d,]+ new lines$/).waitFor({ timeout: 30_000 });
        const before = await readLine(page);
        // More than the page holds come in the meantime.
        await button.getByText(/^(?:[6-9]|\d{2,}),\d{3} new lines$/).waitFor({ timeout: 60_000 });
        const after = await readLine(page);
        assert.deepEqual([after.text, after.top], [before.text, before.top]);
        assert.ok(countOf(after.button) > countOf(before.button), after.button);
        const nodes = await page.evaluate(`document.querySelectorAll("*").length`);
        assert.ok((nodes as number) < NODES_MAX, `${String(nodes)} elements`);
        await button.click();
        await status.getByText(/^5,000 lines · following$/).waitFor({ timeout: 30_000 });
        stop.abort();
        const last = `n=${(await pushed) - 1} `;
        await page.locator("[aria-label='Log lines']").getByText(last).waitFor({ timeout: 30_000 });
        assert.deepEqual(faults, []);
      },
    );
  }
});
