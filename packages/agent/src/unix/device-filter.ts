/** Which devices, mounts or fields a collector shows: by an RE2 pattern that includes or one that excludes, searched anywhere in the name. */
import { compileRegexp } from "@finch/model";

/** Names remembered; devices of short-lived containers would fill the memory without a bound. */
const REMEMBERED_MAX = 4096;

/** Says whether a name is shown. An empty or absent pattern is no pattern; `include` goes first where both are given. */
export function deviceFilter(patterns: {
  readonly include?: string | undefined;
  readonly exclude?: string | undefined;
}): (name: string) => boolean {
  const include = patterns.include
    ? compileRegexp(patterns.include, { anchored: false })
    : undefined;
  const exclude = patterns.exclude
    ? compileRegexp(patterns.exclude, { anchored: false })
    : undefined;
  const remembered = new Map<string, boolean>();
  return (name) => {
    const known = remembered.get(name);
    if (known !== undefined) return known;
    const shown =
      (include === undefined || include.test(name)) &&
      (exclude === undefined || !exclude.test(name));
    if (remembered.size >= REMEMBERED_MAX) remembered.clear();
    remembered.set(name, shown);
    return shown;
  };
}
