/** The feed for a query and the page's range; a new one whenever either changes. */
import { useEffect, useState, useSyncExternalStore } from "react";
import { useRange } from "../time/range-context.tsx";
import { resolveRange } from "../time/time-range.ts";
import { EMPTY_FEED, openLogFeed, type FeedState, type LogFeed } from "./log-feed.ts";

const noFeed = (): (() => void) => () => {};

export function useLogFeed(query: string): {
  readonly state: FeedState;
  readonly feed: LogFeed | undefined;
} {
  const { range } = useRange();
  const [feed, setFeed] = useState<LogFeed | undefined>(undefined);
  useEffect(() => {
    const opened = openLogFeed({
      query,
      span: resolveRange(range, Date.now()),
      live: range.kind === "live",
      origin: location.origin,
    });
    setFeed(opened);
    return opened.stop;
  }, [query, range]);
  const state = useSyncExternalStore(
    feed?.subscribe ?? noFeed,
    feed?.getState ?? (() => EMPTY_FEED),
    () => EMPTY_FEED,
  );
  return { state, feed };
}
