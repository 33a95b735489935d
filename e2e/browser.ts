/** Debian's Chromium for tests of the page, and why there may be none. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

const CHROMIUM = "/usr/bin/chromium";
const BUILT = join(import.meta.dirname, "../packages/web/dist/index.html");

export function reasonToSkipBrowser(): string | false {
  if (!existsSync(CHROMIUM)) return `${CHROMIUM} is not installed`;
  return existsSync(BUILT) ? false : "the web application is not built";
}

/** Asks nobody but this machine. */
export function launchBrowser(): Promise<Browser> {
  const flags = [
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
  ];
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...flags.map((flag) => `--${flag}`),
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ],
  });
}
