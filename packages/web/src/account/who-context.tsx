/** Who looks at the page. Asked once, and again when the server says that somebody must sign in. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, lazy, Suspense, useContext, useEffect } from "react";
import type { ReactNode } from "react";
import { fetchWho } from "../api/account-api.ts";
import type { Who } from "../api/account-api.ts";
import { onSignInNeeded } from "../api/http.ts";

const SignInPage = lazy(async () => ({
  default: (await import("./sign-in-page.tsx")).SignInPage,
}));

const WhoContext = createContext<Who | undefined>(undefined);

/** Undefined before it is known, and where no answer comes. */
export function useWho(): Who | undefined {
  return useContext(WhoContext);
}

/** Asks the server anew, about everything. */
export function useSignedInAnew(): () => Promise<void> {
  const client = useQueryClient();
  return () => client.resetQueries();
}

/** Its children, or the page to sign in on. */
export function WhoProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const client = useQueryClient();
  const { data: who, isPending } = useQuery({
    queryKey: ["who"],
    queryFn: ({ signal }) => fetchWho(signal),
    staleTime: Infinity,
  });
  useEffect(
    () => onSignInNeeded(() => void client.invalidateQueries({ queryKey: ["who"] })),
    [client],
  );
  if (isPending) return null;
  if (who?.kind !== "unknown")
    return <WhoContext.Provider value={who}>{children}</WhoContext.Provider>;
  return (
    <Suspense fallback={null}>
      <SignInPage who={who} />
    </Suspense>
  );
}
