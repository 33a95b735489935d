/** Where one is signed in, and the end of that. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { listSessions, remove } from "../api/account-api.ts";
import type { Who } from "../api/account-api.ts";
import { SettingsTable, shownTime } from "./settings-table.tsx";
import { Fault, useAttempt } from "./sign-in-page.tsx";

export function SessionsSection({ who }: { readonly who: Who }): ReactNode {
  const client = useQueryClient();
  const { fault, run } = useAttempt();
  const sessions = useQuery({
    queryKey: ["sessions"],
    queryFn: ({ signal }) => listSessions(signal),
  }).data;
  const end = (id: string): void =>
    run(async () => {
      await remove(who, "sessions", id);
      await client.invalidateQueries({ queryKey: ["sessions"] });
    });
  return (
    <section aria-labelledby="sessions">
      <h2 id="sessions">Where you are signed in</h2>
      <SettingsTable
        columns={["From", "With", "Last used"]}
        none="Nowhere."
        rows={(sessions ?? []).map(({ id, address, userAgent, seenAt, isThis }) => ({
          key: id,
          cells: [address, describeBrowser(userAgent), shownTime(seenAt)],
          action: isThis ? (
            "this one"
          ) : (
            <button type="button" className="link-button" onClick={() => end(id)}>
              End
            </button>
          ),
        }))}
      />
      <Fault text={fault} />
    </section>
  );
}

/** The name of the browser, of those that people know; else what it calls itself, in short. */
function describeBrowser(userAgent: string): string {
  const name = ["Edg", "Firefox", "Chrome", "Safari"].find((one) => userAgent.includes(`${one}/`));
  const system = /\((?:X11; )?([^;)]+)/.exec(userAgent)?.[1];
  if (name === undefined) return userAgent.slice(0, 40);
  return `${name === "Edg" ? "Edge" : name}${system === undefined ? "" : ` on ${system}`}`;
}
