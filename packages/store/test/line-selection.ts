/** What reads the queries of deletes in tests, in the place of LogQL. */
import { createMatcher } from "@finch/model";
import type { LogPage } from "@finch/model";
import type { CompileSelection } from "../src/api.ts";

/** A language for tests: the stream's name, then a text that lines contain; `name` alone is the whole stream. */
export const compileSelection: CompileSelection = (query) => {
  const [name = "", text] = query.split(" ");
  const matchers = [createMatcher("app", "=", name)];
  if (text === undefined) return { matchers, rows: undefined };
  const rows = ({ entries }: LogPage) =>
    Uint32Array.from({ length: entries.count }, (_, row) => row).filter((row) => {
      const { lines, lineBounds } = entries;
      return Buffer.from(lines.subarray(lineBounds[row], lineBounds[row + 1])).includes(text);
    });
  return { matchers, rows };
};
