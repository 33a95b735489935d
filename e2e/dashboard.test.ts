/**
 * The dashboard of a real `finch up` in a real browser: sign-in, live cards, the lock of a token, a configuration, roles, a phone, and what is left without the WebSocket and
 * without the script. Skipped where Debian's chromium is not installed.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { SimulatedCollector } from "../packages/control/test/simulated-collector.ts";
import { launchBrowser, reasonToSkipBrowser } from "./browser.ts";
import { enrolAgents } from "./enrolled-agents.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";

const PHONE = { width: 360, height: 740 };

test("the dashboard", { skip: reasonToSkipBrowser(), timeout: 200_000 }, async (t) => {
  await using removed = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "finch-dashboard-"));
  removed.defer(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, "finch"));
  await writeIdleAgent(join(directory, "finch"));
  const { agents, dashboardTokens } = await enrolAgents(join(directory, "finch"), [
    "web-1",
    "db-1",
  ]);
  const ports = { ...(await freePorts()), ui: await freePort(), dashboard: await freePort() };
  const url = `http://127.0.0.1:${ports.dashboard}`;
  const faults: string[] = [];
  const asked: string[] = [];
  await using _finch = await startFinch(join(directory, "finch"), ports);
  const browser = await launchBrowser();
  const open = async (
    options: BrowserContextOptions = {},
    prepare: (context: BrowserContext) => Promise<void> = async () => {},
  ): Promise<Page> => {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    await prepare(context);
    const page = await context.newPage();
    page.on("request", (request) => asked.push(request.url()));
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    return page;
  };
  const signIn = async (page: Page, token: string) => {
    await page.goto(url);
    await page.getByLabel("Token").fill(token);
    await page.keyboard.press("Enter");
    await page.waitForURL("**/dashboard");
  };
  const web = new SimulatedCollector({
    url: `http://127.0.0.1:${ports.ui}`,
    id: "web-1",
    token: agents[0]!.token,
    way: "get",
    attributes: { "collector.version": "v1.9.1" },
  });
  try {
    await t.test("an admin signs in, and a card changes when its agent calls in", async () => {
      const page = await open();
      await signIn(page, dashboardTokens.admin);
      await page.getByText("Live", { exact: true }).waitFor();
      const card = page.locator(".card", { hasText: "web-1" });
      await card.getByText("Not seen yet").waitFor();
      await card.getByText("What it collects").click();
      await web.poll();
      await card.getByText("Active").waitFor();
      await card.getByText("v1.9.1").waitFor();
      assert.ok(await card.getByText("journal://").isVisible(), "what is open stays open");
      await page.context().close();
    });
    await t.test("the lock of a token, by keyboard, and a configuration", async () => {
      const page = await open();
      await signIn(page, dashboardTokens.admin);
      const card = page.locator(".card", { hasText: "db-1" });
      await card.getByRole("button", { name: "Token" }).focus();
      await page.keyboard.press("Enter");
      const token = await page.locator("dialog .token").textContent();
      const db = { url: `http://127.0.0.1:${ports.ui}`, id: "db-1", way: "json" as const };
      await new SimulatedCollector({ ...db, token: token!.trim(), attributes: {} }).poll();
      await page.getByRole("button", { name: "Lock" }).click();
      // A dialog tells that it was closed a moment later.
      await page.locator(".token").waitFor({ state: "detached" });
      const download = page.waitForEvent("download");
      await card.getByRole("link", { name: "Configuration" }).click();
      const file = await download;
      assert.equal(file.suggestedFilename().endsWith(".cfg"), true);
      assert.match(await readFile(await file.path(), "utf8"), /"host" *= "db-1"/);
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.waitForURL("**/login");
      await page.context().close();
    });
    await t.test("a viewer sees, and may do nothing else", async () => {
      const page = await open();
      await signIn(page, dashboardTokens.viewer);
      await page.locator(".card").first().waitFor();
      assert.equal(await page.getByRole("button", { name: "Token" }).count(), 0);
      assert.equal(await page.getByRole("link", { name: "Configuration" }).count(), 0);
      await page.context().close();
    });
    await t.test("nothing is wider than a phone, in the dark too", async () => {
      const page = await open({ viewport: PHONE, colorScheme: "dark" });
      await page.goto(`${url}/login`);
      assert.equal(await page.evaluate("document.documentElement.scrollWidth"), PHONE.width);
      await signIn(page, dashboardTokens.admin);
      for (const view of ["cards", "table"]) {
        await page.goto(`${url}/dashboard?view=${view}`);
        assert.equal(
          await page.evaluate("document.documentElement.scrollWidth"),
          PHONE.width,
          view,
        );
      }
      await page.context().close();
    });
    await t.test("without the WebSocket the page says so, and searches", async () => {
      const page = await open({}, (context) =>
        context.routeWebSocket("**/ws*", (socket) => void socket.close()),
      );
      await signIn(page, dashboardTokens.admin);
      await page.getByText("Not live").waitFor();
      await page.keyboard.press("/");
      await page.keyboard.type("web");
      await page.locator(".card", { hasText: "db-1" }).waitFor({ state: "detached" });
      assert.equal(await page.locator(".card").count(), 1);
      await page.context().close();
    });
    await t.test("without the script", async () => {
      const page = await open({ javaScriptEnabled: false });
      await signIn(page, dashboardTokens.operator);
      await page.getByRole("link", { name: "Table" }).click();
      await page.getByRole("row", { name: /web-1/ }).getByRole("button", { name: "Token" }).click();
      await page.getByRole("heading", { name: "Token of web-1" }).waitFor();
      await page.getByRole("link", { name: "Lock and go back" }).click();
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.waitForURL("**/login");
      await page.context().close();
    });
    assert.deepEqual(faults, []);
    assert.deepEqual(
      asked.filter((one) => !one.startsWith(url)),
      [],
    );
  } finally {
    await browser.close();
  }
});
