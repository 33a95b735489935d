/**
 * The page in a real browser, before a real Finch that watches this very machine: live figures, charts and lines without a click, nothing asked of any
 * other host, no error in the console, and no sideways scrolling on a phone. Skipped where Debian's chromium is not installed.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { launchBrowser, reasonToSkipBrowser } from "./browser.ts";
import { freePort, freePorts, startFinch } from "./finch-process.ts";

/** Everything a page complains of or asks of others. */
function watch(page: Page, origin: string): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.host !== new URL(origin).host && url.protocol !== "data:" && url.protocol !== "blob:")
      complaints.push(`asked ${url.host}`);
  });
  return complaints;
}

describe("the page", { skip: reasonToSkipBrowser() }, () => {
  test(
    "shows this machine live, answers a query, and fits a phone",
    { timeout: 120_000 },
    async (t) => {
      const directory = await mkdtemp(join(tmpdir(), "finch-web-"));
      t.after(() => rm(directory, { recursive: true }));
      const ui = await freePort();
      const origin = `http://127.0.0.1:${ui}`;
      await using _ = await startFinch(directory, { ...(await freePorts()), ui });
      const browser = await launchBrowser();
      t.after(() => browser.close());

      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      const complaints = watch(page, origin);
      await page.goto(origin);
      const tiles = page.getByRole("region", { name: "This machine now" });
      await tiles
        .getByText(/^\d+(\.\d+)?$/)
        .first()
        .waitFor({ timeout: 60_000 });
      await page
        .getByRole("region", { name: "Charts of this machine" })
        .locator("canvas")
        .first()
        .waitFor();
      await page
        .locator("[aria-label='Log lines'] [data-index]")
        .first()
        .waitFor({ timeout: 30_000 });

      await page.goto(`${origin}/explore`);
      await page.getByLabel("Query", { exact: true }).and(page.locator(".cm-content")).click();
      await page.keyboard.type("count(up)");
      await page.keyboard.press("Escape");
      await page.keyboard.press("Control+Enter");
      await page
        .getByText(/1 series/)
        .first()
        .waitFor({ timeout: 20_000 });
      assert.deepEqual(complaints, []);

      const phone = await browser.newPage({
        viewport: { width: 390, height: 844 },
        isMobile: true,
        hasTouch: true,
      });
      const phoneComplaints = watch(phone, origin);
      for (const path of ["/", "/explore"]) {
        await phone.goto(origin + path);
        await phone.waitForLoadState("networkidle").catch(() => {});
        const overflow = await phone.evaluate(
          "document.documentElement.scrollWidth - window.innerWidth",
        );
        assert.equal(overflow, 0, `${path} scrolls sideways by ${String(overflow)} px on a phone`);
      }
      assert.deepEqual(phoneComplaints, []);
    },
  );
});
