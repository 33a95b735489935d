/** Settings: one's API tokens and sessions, for administrators the users. */
import type { ReactNode } from "react";
import { useWho } from "./who-context.tsx";
import { PasswordSection } from "./password-section.tsx";
import { SessionsSection } from "./sessions-section.tsx";
import { TokensSection } from "./tokens-section.tsx";
import { UsersSection } from "./users-section.tsx";

export function SettingsPage(): ReactNode {
  const who = useWho();
  if (who === undefined) return <p className="page loading">Loading…</p>;
  return (
    <div className="page settings">
      <h1>Settings</h1>
      {who.kind === "local" && (
        <p className="notice notice-warn">
          Nobody is asked to sign in here, so whoever can open this page may do everything on it.
          Set sign_in.required to on to change that.
        </p>
      )}
      {who.readScopes.length > 0 && (
        <p>
          You see what matches <code>{who.readScopes.join(" and ")}</code>.
        </p>
      )}
      <TokensSection who={who} />
      {who.kind === "session" && <SessionsSection who={who} />}
      {who.kind === "session" && who.user?.hasPassword === true && (
        <PasswordSection name={who.user.name} />
      )}
      {who.permissions.includes("admin") && <UsersSection who={who} />}
    </div>
  );
}
