/** Patterns of Go's `path/filepath.Match`: `*` and `?` stop at a slash, `[a-z]` and `[^a]` are classes, a backslash quotes. */
import { OttlRunFault } from "./fault.ts";

export type Glob = (text: string) => boolean;

/** Throws an OttlRunFault that quotes a pattern that is none. */
export function compileGlob(pattern: string): Glob {
  const steps = readSteps(pattern);
  return (text) => matches(steps, Array.from(text));
}

/** One character that fits, or `*`. */
type Step = "*" | ((character: string) => boolean);

function readSteps(pattern: string): readonly Step[] {
  const characters = Array.from(pattern);
  const steps: Step[] = [];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    if (character === "*") {
      if (steps.at(-1) !== "*") steps.push("*");
    } else if (character === "?") steps.push((one) => one !== "/");
    else if (character === "[") {
      const { step, end } = readClass(characters, i, pattern);
      steps.push(step);
      i = end;
    } else {
      const literal = character === "\\" ? characters[++i] : character;
      if (literal === undefined) throw badGlob(pattern);
      steps.push((one) => one === literal);
    }
  }
  return steps;
}

function readClass(
  characters: readonly string[],
  open: number,
  pattern: string,
): { step: Step; end: number } {
  let i = open + 1;
  const isNegated = characters[i] === "^";
  if (isNegated) i++;
  const ranges: [string, string][] = [];
  const readOne = (): string => {
    const one = characters[i] === "\\" ? characters[++i] : characters[i];
    if (one === undefined || ((one === "-" || one === "]") && characters[i - 1] !== "\\"))
      throw badGlob(pattern);
    i++;
    return one;
  };
  while (characters[i] !== "]" || ranges.length === 0) {
    const low = readOne();
    let high = low;
    if (characters[i] === "-") {
      i++;
      high = readOne();
    }
    ranges.push([low, high]);
  }
  const step = (one: string) =>
    ranges.some(([low, high]) => low <= one && one <= high) !== isNegated;
  return { step, end: i };
}

/** Remembers only the last star, which is enough: what an earlier one could take, the last can take, too. But not past a slash. */
function matches(steps: readonly Step[], characters: readonly string[]): boolean {
  let step = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  for (;;) {
    const wanted = steps[step];
    if (wanted === "*") {
      star = step++;
      starAt = at;
      continue;
    }
    if (
      wanted === undefined
        ? at === characters.length
        : at < characters.length && wanted(characters[at]!)
    ) {
      if (wanted === undefined) return true;
      step++;
      at++;
      continue;
    }
    if (star < 0 || starAt >= characters.length || characters[starAt] === "/") return false;
    at = ++starAt;
    step = star + 1;
  }
}

function badGlob(pattern: string): OttlRunFault {
  return new OttlRunFault(`bad pattern ${JSON.stringify(pattern)}: see Go's filepath.Match`);
}
