/** The page to sign in on, with a token of `finchctl service dashboard`. */
import { html } from "./html.ts";
import type { Html } from "./html.ts";
import { pageShell } from "./page-shell.ts";
import type { Page } from "./page-shell.ts";

const MESSAGES = {
  expired: "Your token has expired. Enter a new one.",
  invalid: "This token is not valid, or not any more. Make a new one and try again.",
} as const;

export type LoginFault = keyof typeof MESSAGES;

export function isLoginFault(text: string | null): text is LoginFault {
  return text !== null && Object.hasOwn(MESSAGES, text);
}

export function loginPage(about: Page["about"], fault?: LoginFault): Html {
  const body = html`<section class="login">
    <h1>Sign in to the dashboard</h1>
    ${fault !== undefined && html`<p class="notice bad" role="alert">${MESSAGES[fault]}</p>`}
    <form method="post" action="/login">
      <label for="token">Token</label>
      <input
        type="password"
        id="token"
        name="token"
        autocomplete="off"
        spellcheck="false"
        required
        autofocus
      />
      <button type="submit" class="primary">Sign in</button>
    </form>
    <p class="soft">
      A token is made by <code>finchctl service dashboard ${about.hostname}</code>. Its role and
      scope say what you see.
    </p>
  </section>`;
  return pageShell({ title: "Sign in · Finch", actions: undefined, body, about });
}
