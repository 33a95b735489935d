/** The difference of two texts, line by line. */

/** Only expected, only there, or in both. */
export interface DiffLine {
  readonly kind: "expected" | "got" | "both";
  readonly text: string;
}

/** Cells of the table of common lines; above, lines that differ are not told apart. */
const CELLS_MAX = 4_000_000;

/** The lines of both in order, with as many in common as there can be. */
export function diffLines(want: readonly string[], got: readonly string[]): readonly DiffLine[] {
  let head = 0;
  while (head < want.length && head < got.length && want[head] === got[head]) head++;
  let tail = 0;
  while (
    tail < want.length - head &&
    tail < got.length - head &&
    want.at(-1 - tail) === got.at(-1 - tail)
  )
    tail++;
  return [
    ...want.slice(0, head).map((text): DiffLine => ({ kind: "both", text })),
    ...diffMiddle(want.slice(head, want.length - tail), got.slice(head, got.length - tail)),
    ...want.slice(want.length - tail).map((text): DiffLine => ({ kind: "both", text })),
  ];
}

function diffMiddle(want: readonly string[], got: readonly string[]): readonly DiffLine[] {
  const isHuge = (want.length + 1) * (got.length + 1) > CELLS_MAX;
  const common = isHuge ? undefined : commonLengths(want, got);
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < want.length || j < got.length) {
    const isWanted =
      j >= got.length ||
      common === undefined ||
      (i < want.length && common[i + 1]![j]! >= common[i]![j + 1]!);
    if (common !== undefined && i < want.length && want[i] === got[j]) {
      lines.push({ kind: "both", text: want[i]! });
      i++;
      j++;
    } else if (i < want.length && isWanted) lines.push({ kind: "expected", text: want[i++]! });
    else lines.push({ kind: "got", text: got[j++]! });
  }
  return lines;
}

/** At `[i][j]`, the length of the longest common subsequence of what begins there. */
function commonLengths(want: readonly string[], got: readonly string[]): readonly Uint32Array[] {
  const common = Array.from({ length: want.length + 1 }, () => new Uint32Array(got.length + 1));
  for (let i = want.length - 1; i >= 0; i--)
    for (let j = got.length - 1; j >= 0; j--)
      common[i]![j] =
        want[i] === got[j]
          ? common[i + 1]![j + 1]! + 1
          : Math.max(common[i + 1]![j]!, common[i]![j + 1]!);
  return common;
}
