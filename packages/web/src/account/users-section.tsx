/** Users, for administrators. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { FormEvent, ReactNode } from "react";
import { changeUser, createUser, listUsers, remove } from "../api/account-api.ts";
import type { UserInfo, Who } from "../api/account-api.ts";
import { SettingsTable, shownTime } from "./settings-table.tsx";
import { Fault, useAttempt, valuesOf } from "./sign-in-page.tsx";

export function UsersSection({ who }: { readonly who: Who }): ReactNode {
  const client = useQueryClient();
  const { fault, busy, run } = useAttempt();
  const users = useQuery({ queryKey: ["users"], queryFn: ({ signal }) => listUsers(signal) }).data;
  const reload = () => client.invalidateQueries({ queryKey: ["users"] });
  const onSubmit = (event: FormEvent<HTMLFormElement>): void => {
    const [name, password, role, readScope] = valuesOf(event, "name", "password", "role", "scope");
    const form = event.currentTarget;
    run(async () => {
      await createUser(who, { name, password, role, readScope });
      form.reset();
      await reload();
    });
  };
  return (
    <section aria-labelledby="users">
      <h2 id="users">Users</h2>
      <SettingsTable
        columns={["Name", "Role", "Reads", "Signs in with", "Last sign-in"]}
        none="There are none."
        rows={(users ?? []).map((user) => ({
          key: user.id,
          cells: [
            user.isDisabled ? <s>{user.name}</s> : user.name,
            user.role,
            user.readScope || "everything",
            user.provider || "password",
            shownTime(user.signedInAt),
          ],
          action: <UserActions user={user} who={who} run={run} reload={reload} />,
        }))}
      />
      <form onSubmit={onSubmit}>
        <label className="field">
          <span>Name</span>
          <input
            name="name"
            required
            maxLength={128}
            spellCheck={false}
            autoCapitalize="none"
            autoComplete="off"
          />
        </label>
        <label className="field">
          <span>Password</span>
          <input name="password" type="password" required autoComplete="new-password" />
        </label>
        <label className="field">
          <span>Role</span>
          <select name="role">
            <option>viewer</option>
            <option>editor</option>
            <option>admin</option>
          </select>
        </label>
        <label className="field">
          <span>Reads only (viewers)</span>
          <input name="scope" placeholder='{host=~"web.*"}' spellCheck={false} />
        </label>
        <Fault text={fault} />
        <button className="button button-primary" type="submit" disabled={busy}>
          Add a user
        </button>
      </form>
    </section>
  );
}

function UserActions({
  user,
  who,
  run,
  reload,
}: {
  readonly user: UserInfo;
  readonly who: Who;
  readonly run: (work: () => Promise<void>) => void;
  readonly reload: () => Promise<void>;
}): ReactNode {
  if (user.id === who.user?.id) return "you";
  const { id, isDisabled } = user;
  return (
    <>
      <button
        type="button"
        className="link-button"
        onClick={() => run(() => changeUser(who, id, { isDisabled: !isDisabled }).then(reload))}
      >
        {isDisabled ? "Let in again" : "Lock out"}
      </button>{" "}
      <button
        type="button"
        className="link-button"
        onClick={() => {
          if (confirm(`Remove ${user.name}, with their tokens?`))
            run(() => remove(who, "users", id).then(reload));
        }}
      >
        Remove
      </button>
    </>
  );
}
