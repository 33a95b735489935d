/** What all pages of the dashboard share. */
import { html } from "./html.ts";
import type { Html } from "./html.ts";

export interface Page {
  readonly title: string;
  /** What stands right in the head of the page. */
  readonly actions: Html | undefined;
  readonly body: Html;
  readonly about: {
    readonly hostname: string;
    readonly publicHost: string;
    readonly release: string;
    readonly commit: string;
  };
}

const COMMIT_CHARACTERS = 7;

export function pageShell({ title, actions, body, about }: Page): Html {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <link rel="icon" href="/dashboard/assets/finch.svg" type="image/svg+xml" />
        <link rel="stylesheet" href="/dashboard/assets/dashboard.css" />
        <script src="/dashboard/assets/dashboard.js" type="module"></script>
      </head>
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="top">
          <a class="brand" href="/dashboard"
            ><img src="/dashboard/assets/finch.svg" alt="" width="28" height="28" />
            ${about.hostname}</a
          >
          ${actions}
        </header>
        <main id="main">${body}</main>
        <footer>Finch ${about.release} · ${about.commit.slice(0, COMMIT_CHARACTERS)}</footer>
      </body>
    </html> `;
}
