/** One's own password, for those who have one. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { setPassword } from "../api/account-api.ts";
import { ApiError } from "../api/http.ts";
import { Fault, useAttempt, valuesOf } from "./sign-in-page.tsx";

export function PasswordSection({ name }: { readonly name: string }): ReactNode {
  const client = useQueryClient();
  const { fault, busy, run } = useAttempt();
  const [isDone, setDone] = useState(false);
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    const [password, newPassword, again] = valuesOf(event, "password", "new", "again");
    const form = event.currentTarget;
    setDone(false);
    run(async () => {
      if (newPassword !== again) throw new ApiError(0, "The two passwords differ.");
      await setPassword({ name, password: password!, newPassword: newPassword!, setUpCode: "" });
      form.reset();
      setDone(true);
      // Another session began, with another token against other pages.
      await client.invalidateQueries({ queryKey: ["who"] });
      await client.invalidateQueries({ queryKey: ["sessions"] });
    });
  };
  return (
    <section aria-labelledby="password">
      <h2 id="password">Password</h2>
      <p>A new one signs you out everywhere else.</p>
      <form onSubmit={onSubmit}>
        <input type="hidden" name="username" autoComplete="username" value={name} readOnly />
        <label className="field">
          <span>Present password</span>
          <input name="password" type="password" required autoComplete="current-password" />
        </label>
        <label className="field">
          <span>New password</span>
          <input name="new" type="password" required autoComplete="new-password" />
        </label>
        <label className="field">
          <span>Once more</span>
          <input name="again" type="password" required autoComplete="new-password" />
        </label>
        <Fault text={fault} />
        {isDone && <p role="status">The password is set.</p>}
        <button className="button button-primary" type="submit" disabled={busy}>
          Set password
        </button>
      </form>
    </section>
  );
}
