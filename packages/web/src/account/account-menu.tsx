/** Who is signed in, at the end of the top bar; nothing where nobody is asked to. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import { signOut } from "../api/account-api.ts";
import { Icon } from "../shell/icons.tsx";
import { useSignedInAnew, useWho } from "./who-context.tsx";

export function AccountMenu(): ReactNode {
  const who = useWho();
  const signedInAnew = useSignedInAnew();
  if (who?.kind !== "session" || who.user === null) return null;
  const leave = (): void => {
    void signOut(who).finally(() => void signedInAnew());
  };
  return (
    <>
      <Link
        href="/settings"
        className="button account-name"
        title={`${who.user.name}, ${who.user.role}`}
      >
        <Icon name="person" />
        <span>{who.user.fullName || who.user.name}</span>
      </Link>
      <button
        type="button"
        className="icon-button"
        aria-label="Sign out"
        title="Sign out"
        onClick={leave}
      >
        <Icon name="leave" />
      </button>
    </>
  );
}
