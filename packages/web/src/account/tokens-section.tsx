/** API tokens: made, shown once, taken back. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { FormEvent, ReactNode } from "react";
import { createToken, listTokens, remove } from "../api/account-api.ts";
import type { Who } from "../api/account-api.ts";
import { SettingsTable, shownTime } from "./settings-table.tsx";
import { Fault, useAttempt, valuesOf } from "./sign-in-page.tsx";

const DAY_MS = 86_400_000;
const LIVES = [
  ["90", "90 days"],
  ["365", "one year"],
  ["", "for ever"],
] as const;

export function TokensSection({ who }: { readonly who: Who }): ReactNode {
  const client = useQueryClient();
  const [made, setMade] = useState("");
  const { fault, busy, run } = useAttempt();
  const tokens = useQuery({
    queryKey: ["tokens"],
    queryFn: ({ signal }) => listTokens(signal),
  }).data;
  const reload = () => client.invalidateQueries({ queryKey: ["tokens"] });
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    const wanted = readWanted(event);
    const form = event.currentTarget;
    run(async () => {
      setMade(await createToken(who, wanted));
      form.reset();
      await reload();
    });
  };
  return (
    <section aria-labelledby="tokens">
      <h2 id="tokens">API tokens</h2>
      <p>
        For programs, such as Grafana: Authorization: Bearer, or the password of basic
        authentication.
      </p>
      <SettingsTable
        columns={["Name", "User", "May", "Reads", "Last used", "Expires"]}
        none="There are none."
        rows={(tokens ?? []).map((token) => ({
          key: token.id,
          cells: [
            token.name,
            token.user,
            token.permissions.join(", "),
            token.readScope || "everything",
            shownTime(token.usedAt),
            token.expiresAt === "" ? "never" : shownTime(token.expiresAt),
          ],
          action: (
            <button
              type="button"
              className="link-button"
              onClick={() => run(() => remove(who, "tokens", token.id).then(reload))}
            >
              Remove
            </button>
          ),
        }))}
      />
      {made !== "" && (
        <>
          <p>This is the token. It is shown once: copy it.</p>
          <code className="secret">{made}</code>
        </>
      )}
      <TokenForm who={who} fault={fault} busy={busy} onSubmit={onSubmit} />
    </section>
  );
}

/** The token that the form asks for, in the words of the API. */
function readWanted(event: FormEvent<HTMLFormElement>): Readonly<Record<string, unknown>> {
  const names = ["name", "permission", "scope", "days", "user"];
  const [name, permission, readScope, days, user] = valuesOf(event, ...names);
  const expiresAt = new Date(Date.now() + Number(days) * DAY_MS).toISOString();
  return {
    name,
    permissions: [permission],
    readScope,
    ...(days !== "" && { expiresAt }),
    ...(user !== "" && { user }),
  };
}

function TokenForm({
  who,
  fault,
  busy,
  onSubmit,
}: {
  readonly who: Who;
  readonly fault: string;
  readonly busy: boolean;
  readonly onSubmit: (event: FormEvent<HTMLFormElement>) => void;
}): ReactNode {
  const isForOthers = who.permissions.includes("admin");
  return (
    <form onSubmit={onSubmit}>
      <label className="field">
        <span>Name</span>
        <input name="name" required maxLength={128} />
      </label>
      <label className="field">
        <span>May</span>
        <select name="permission">
          {who.permissions.map((permission) => (
            <option key={permission}>{permission}</option>
          ))}
        </select>
      </label>
      <label className="field">
        <span>Reads only what matches</span>
        <input name="scope" placeholder='{host=~"web.*"}' spellCheck={false} />
      </label>
      <label className="field">
        <span>Is good</span>
        <select name="days">
          {LIVES.map(([days, label]) => (
            <option key={label} value={days}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {isForOthers && (
        <label className="field">
          <span>Of the user</span>
          <input
            name="user"
            required={who.user === null}
            placeholder={who.user?.name ?? "admin"}
            spellCheck={false}
            autoCapitalize="none"
          />
        </label>
      )}
      <Fault text={fault} />
      <button className="button button-primary" type="submit" disabled={busy}>
        Make a token
      </button>
    </form>
  );
}
