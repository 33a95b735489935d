/**
 * Signing in with an OpenID provider: npm's oidc-provider, in a real browser. Roles and limits by its claims, refusals, and answers that are not to a question of this browser.
 * Skipped where Debian's chromium is not installed.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, reasonToSkipBrowser } from "./browser.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { CLIENT, startProvider } from "./identity-provider.ts";
import type { IdentityProvider } from "./identity-provider.ts";

interface Stage extends AsyncDisposable {
  readonly origin: string;
  readonly provider: IdentityProvider;
  readonly browser: Browser;
  output(): string;
}

async function open(): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "finch-oidc-"));
  opening.defer(() => rm(directory, { recursive: true }));
  await writeIdleAgent(directory);
  const ui = await freePort();
  const origin = `http://127.0.0.1:${ui}`;
  const provider = opening.use(await startProvider([`${origin}/api/v1/sign-in/oidc/callback`]));
  const secretFile = join(directory, "client-secret");
  await writeFile(secretFile, `${CLIENT.secret}\n`, { mode: 0o600 });
  const finch = opening.use(
    await startFinch(directory, { ...(await freePorts()), ui }, [
      "--sign-in-required=on",
      `--sign-in-oidc-issuer=${provider.issuer}`,
      `--sign-in-oidc-client-id=${CLIENT.id}`,
      `--sign-in-oidc-client-secret-file=${secretFile}`,
      "--sign-in-oidc-name=Example",
      "--sign-in-oidc-scopes=openid profile groups",
      "--sign-in-oidc-admins=ops",
      "--sign-in-oidc-viewers=web",
      '--sign-in-oidc-read-scopes=web {host=~"web.*"}',
    ]),
  );
  const browser = await launchBrowser();
  opening.defer(() => browser.close());
  const parts = opening.move();
  return {
    origin,
    provider,
    browser,
    output: () => finch.output(),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** From our page to the provider, in there as `name`, and back. */
async function signIn(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("link", { name: "Sign in with Example" }).click();
  await page.locator("input[name=login]").fill(name);
  await page.locator("input[name=password]").fill("any");
  await page.locator("button[type=submit]").click();
  // What Finch may know.
  await page.getByText("Authorize").first().waitFor();
  await page.locator("button[type=submit]").click();
}

interface Who {
  readonly kind: string;
  readonly user: { readonly name: string; readonly fullName: string; readonly role: string } | null;
  readonly readScopes: readonly string[];
}

async function whoIs(page: Page): Promise<Who> {
  return (await page.evaluate("fetch('/api/v1/session').then((reply) => reply.json())")) as Who;
}

describe("with an OpenID provider", { skip: reasonToSkipBrowser() }, () => {
  test("people sign in, with the role of their groups", { timeout: 120_000 }, async () => {
    await using stage = await open();
    const { origin, provider, browser } = stage;
    provider.groups.set("alice", ["staff", "ops"]);
    const first = await browser.newContext();
    const page = await first.newPage();
    await signIn(page, `${origin}/explore?lang=promql`, "alice");
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/explore", "where one wanted to go");
    const who = await whoIs(page);
    assert.deepEqual(
      [who.user?.name, who.user?.fullName, who.user?.role],
      ["alice", "alice of the tests", "admin"],
    );
    await page.goto(`${origin}/settings`);
    const users = page.getByRole("region", { name: "Users" });
    await users.getByText(provider.issuer).waitFor();

    provider.groups.set("alice", ["web"]);
    const second = await browser.newContext();
    const later = await second.newPage();
    await signIn(later, origin, "alice");
    await later.getByRole("button", { name: "Sign out" }).waitFor();
    const now = await whoIs(later);
    assert.deepEqual([now.user?.role, now.readScopes], ["viewer", ['{host=~"web.*"}']]);
    assert.equal((await whoIs(page)).user?.role, "viewer", "in the session from before, too");
  });

  test(
    "who has no group of ours is told so, and so is who gives up",
    { timeout: 120_000 },
    async () => {
      await using stage = await open();
      const { origin, provider, browser } = stage;
      provider.groups.set("mallory", ["guests"]);
      const context = await browser.newContext();
      const page = await context.newPage();
      await signIn(page, origin, "mallory");
      await page.getByText(/You are known there, but not here/).waitFor();
      assert.equal((await whoIs(page)).kind, "unknown");
      const other = await (await browser.newContext()).newPage();
      await other.goto(origin);
      await other.getByRole("link", { name: "Sign in with Example" }).click();
      await other.getByRole("link", { name: /cancel/i }).click();
      await other.getByText(/The other side did not sign you in/).waitFor();
      assert.equal((await whoIs(other)).kind, "unknown");
    },
  );

  test("an answer is good once, and in the browser that asked", { timeout: 120_000 }, async () => {
    await using stage = await open();
    const { origin, provider, browser } = stage;
    provider.groups.set("alice", ["ops"]);
    const question = await fetch(`${origin}/api/v1/sign-in/oidc?to=//evil.example`, {
      redirect: "manual",
    });
    const asked = new URL(question.headers.get("location")!);
    assert.equal(asked.origin, provider.issuer);
    assert.equal(asked.searchParams.get("code_challenge_method"), "S256");
    for (const name of ["state", "nonce", "code_challenge"])
      assert.match(asked.searchParams.get(name)!, /^[\w-]{43}$/, name);
    const cookie = question.headers.get("set-cookie")!;
    assert.match(cookie, /^finch_oidc=.*; HttpOnly; SameSite=Lax$/);

    const page = await (await browser.newContext()).newPage();
    const answers: string[] = [];
    page.on("request", (request) => {
      if (request.url().includes("/callback?")) answers.push(request.url());
    });
    await signIn(page, origin, "alice");
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    const [answer] = answers;
    const cookies = await page.context().cookies();
    const own = cookies.find(({ name }) => name === "finch_oidc")!;
    const again = new URL(answer!);
    again.searchParams.set("code", "made-up");
    for (const [why, url, sent] of [
      ["without the cookie", answer!, ""],
      ["with the cookie of another browser", answer!, cookie.split(";")[0]!],
      ["for the second time", answer!, `finch_oidc=${own.value}`],
      ["with another code", again.href, `finch_oidc=${own.value}`],
    ] as const) {
      const reply = await fetch(url, { redirect: "manual", headers: { cookie: sent } });
      assert.equal(reply.headers.get("location"), "/?sign-in=failed", why);
      assert.equal(reply.headers.get("set-cookie"), null, why);
    }
    assert.ok(!stage.output().includes(CLIENT.secret));
  });
});
