/** Signing in, in a real browser: the first password, a session that lasts, tokens, signing out; on a desk and on a phone. Skipped where Debian's chromium is not installed. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Page } from "playwright-core";
import { launchBrowser, reasonToSkipBrowser } from "./browser.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";

const PASSWORD = "three blind mice";

/** Pictures of a run go where this names, for people to look at. */
const PICTURES = process.env["TEST_PICTURES"];

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

async function fill(page: Page, values: Readonly<Record<string, string>>): Promise<void> {
  for (const [label, value] of Object.entries(values))
    await page.getByLabel(label, { exact: true }).fill(value);
}

function fitsWidth(page: Page): Promise<boolean> {
  return page.evaluate(
    "document.documentElement.scrollWidth <= document.documentElement.clientWidth",
  );
}

describe("sign-in", { skip: reasonToSkipBrowser() }, () => {
  test("from the first password to signing out", { timeout: 120_000 }, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-sign-in-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeIdleAgent(directory);
    const ui = await freePort();
    const origin = `http://127.0.0.1:${ui}`;
    const ports = { ...(await freePorts()), ui };
    await using _ = await startFinch(directory, ports, ["--sign-in-required=on"]);
    const browser = await launchBrowser();
    t.after(() => browser.close());
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    await page.goto(`${origin}/explore`);
    await page.getByRole("heading", { name: "Sign in to Finch" }).waitFor();
    await page.getByText(/Nobody has signed in yet/).waitFor();
    await picture(page, "sign-in-desk");

    await fill(page, { Name: "admin", Password: "wrong" });
    await page.getByRole("button", { name: "Sign in" }).click();
    await page
      .getByRole("alert")
      .getByText(/name or the password is wrong/)
      .waitFor();
    await fill(page, { Name: "admin", Password: "admin" });
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Set your password" }).waitFor();
    await fill(page, { "New password": "short", "Once more": "short" });
    await page.getByRole("button", { name: "Set password" }).click();
    await page
      .getByRole("alert")
      .getByText(/too short/)
      .waitFor();
    await picture(page, "set-password-desk");
    await fill(page, { "New password": PASSWORD, "Once more": PASSWORD });
    await page.getByRole("button", { name: "Set password" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/explore", "where one wanted to go");
    await page.reload();
    await page.getByRole("button", { name: "Sign out" }).waitFor();

    await page.goto(`${origin}/settings`);
    const tokens = page.getByRole("region", { name: "API tokens" });
    await tokens.getByLabel("Name", { exact: true }).fill("grafana");
    await tokens.getByRole("button", { name: "Make a token" }).click();
    const text = await tokens.locator("code.secret").textContent();
    const url = `${origin}/prometheus/api/v1/query?query=vector(1)`;
    const asked = async (token: string) =>
      (await fetch(url, { headers: { authorization: `Bearer ${token}` } })).status;
    assert.equal(await asked(text!), 200);
    await picture(page, "settings-desk");
    await tokens.getByRole("button", { name: "Remove" }).click();
    await tokens.getByText("There are none.").waitFor();
    assert.equal(await asked(text!), 401);

    const users = page.getByRole("region", { name: "Users" });
    await users.getByLabel("Name", { exact: true }).fill("ada");
    await users.getByLabel("Password").fill(PASSWORD);
    await users.getByLabel(/^Reads only/).fill('host="nobody"');
    await users.getByRole("button", { name: "Add a user" }).click();
    await users.getByText('{host="nobody"}').waitFor();

    const password = page.getByRole("region", { name: "Password" });
    const better = `${PASSWORD} and a cat`;
    await password.getByLabel("Present password").fill(PASSWORD);
    await password.getByLabel("New password").fill(better);
    await password.getByLabel("Once more").fill(better);
    await password.getByRole("button", { name: "Set password" }).click();
    await password.getByText("The password is set.").waitFor();
    // A change shows that the page knows of its new session.
    await users.getByRole("button", { name: "Lock out" }).click();
    await users.getByRole("button", { name: "Let in again" }).click();
    await users.getByRole("button", { name: "Lock out" }).waitFor();

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in to Finch" }).waitFor();

    const phone = await browser.newPage({
      viewport: { width: 390, height: 844 },
      isMobile: true,
      hasTouch: true,
      colorScheme: "dark",
    });
    await phone.goto(`${origin}/settings`);
    await phone.getByRole("heading", { name: "Sign in to Finch" }).waitFor();
    assert.ok(await fitsWidth(phone), "the page to sign in on fits a phone");
    await picture(phone, "sign-in-phone");
    await fill(phone, { Name: "ada", Password: PASSWORD });
    await phone.getByRole("button", { name: "Sign in" }).click();
    await phone.getByText(/You see what matches/).waitFor();
    assert.ok(await fitsWidth(phone), "settings fit a phone");
    await picture(phone, "settings-phone");
    assert.equal(await phone.getByRole("region", { name: "Users" }).count(), 0);
  });

  test("through the gateway, with the set-up code", { timeout: 120_000 }, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-sign-in-"));
    t.after(() => rm(directory, { recursive: true }));
    await writeIdleAgent(directory);
    const [ui, gateway] = [await freePort(), await freePort()];
    const origin = `https://127.0.0.1:${gateway}`;
    const ports = { ...(await freePorts()), ui };
    const flags = [`--listen-gateway=127.0.0.1:${gateway}`, "--listen-gateway-http=off"];
    await using finch = await startFinch(directory, ports, flags);
    const browser = await launchBrowser();
    t.after(() => browser.close());
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(origin);
    await fill(page, { Name: "admin", Password: "admin" });
    await page.getByRole("button", { name: "Sign in" }).click();
    await fill(page, { "New password": PASSWORD, "Once more": PASSWORD });
    await page.getByRole("button", { name: "Set password" }).click();
    await page
      .getByRole("alert")
      .getByText(/set-up code/)
      .waitFor();
    const [, code] = /set-up code (\S+)/.exec(finch.output())!;
    await page.getByLabel(/^Set-up code/).fill(code!);
    await page.getByRole("button", { name: "Set password" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const cookies = await context.cookies();
    assert.deepEqual(
      cookies.map(({ name, httpOnly, secure, sameSite }) => [name, httpOnly, secure, sameSite]),
      [["__Host-finch_session", true, true, "Lax"]],
    );

    await page.goto(`${origin}/settings`);
    const tokens = page.getByRole("region", { name: "API tokens" });
    await tokens.getByLabel("Name", { exact: true }).fill("grafana");
    await tokens.getByRole("button", { name: "Make a token" }).click();
    const text = await tokens.locator("code.secret").textContent();
    const { request } = await browser.newContext({ ignoreHTTPSErrors: true });
    const asked = async (path: string, headers: Record<string, string> = {}) =>
      (await request.get(origin + path, { headers })).status();
    const authorization = `Bearer ${text}`;
    for (const path of [
      "/mimir/prometheus/api/v1/query?query=vector(1)",
      "/loki/loki/api/v1/labels",
      "/prometheus/api/v1/labels",
      "/api/v1/machine",
    ]) {
      assert.equal(await asked(path), 401, path);
      assert.equal(await asked(path, { authorization }), 200, path);
    }
    // On this machine nobody is asked still.
    assert.equal((await fetch(`http://127.0.0.1:${ui}/api/v1/machine`)).status, 200);
  });
});
