/** Joins shapes of one template of text whose words agree in most, before any of them is decoded: what they differ in are values. */
import { TEMPLATES_MAX } from "../log-page/line-templates.ts";
import type { LineShape } from "./line-shapes.ts";
import { LIKENESS_MIN } from "./pattern-clusters.ts";

/** Shapes that are one pattern. */
export interface ShapeGroup {
  /** The most frequent of them. */
  readonly shape: LineShape;
  readonly members: LineShape[];
  /** 1 for each of its words that is a value: it differs. */
  readonly isValue: Uint8Array;
  readonly hasDigit: Uint8Array;
}

/** The most frequent shapes first. `sameWordsOf` tells how many words all lines of a template share; undefined for one whose shapes are not joined. */
export function joinAlike(
  shapes: readonly LineShape[],
  sameWordsOf: (template: number) => number | undefined,
): readonly ShapeGroup[] {
  const groups: ShapeGroup[] = [];
  /** By template and level. */
  const byTemplate = new Map<number, ShapeGroup[]>();
  for (const shape of shapes.toSorted((a, b) => b.total - a.total)) {
    const group = groupOf(shape);
    const sameWords = sameWordsOf(shape.template);
    if (sameWords !== undefined) {
      const key = shape.level * TEMPLATES_MAX + shape.template;
      const known = byTemplate.get(key);
      const alike = known?.find((other) => isAlike(other, group, sameWords));
      if (alike !== undefined) {
        join(alike, group);
        continue;
      }
      if (known === undefined) byTemplate.set(key, [group]);
      else known.push(group);
    }
    groups.push(group);
  }
  return groups;
}

function groupOf(shape: LineShape): ShapeGroup {
  const { words, values, fixedCount } = shape;
  const isValue = new Uint8Array(words.length);
  const hasDigit = new Uint8Array(words.length);
  for (const word of values) hasDigit[word] = 1;
  for (const word of values.subarray(fixedCount)) isValue[word] = 1;
  return { shape, members: [shape], isValue, hasDigit };
}

function isAlike(a: ShapeGroup, b: ShapeGroup, sameWords: number): boolean {
  let words = sameWords;
  let equal = sameWords;
  const { isValue } = a;
  for (let word = 0; word < isValue.length; word++) {
    if (isValue[word] === 1 || b.isValue[word] === 1) continue;
    if (a.hasDigit[word] === 1 && b.hasDigit[word] === 1) continue;
    words++;
    if (a.shape.words[word] === b.shape.words[word]) equal++;
  }
  return words === 0 || equal / words >= LIKENESS_MIN;
}

function join(group: ShapeGroup, other: ShapeGroup): void {
  const { isValue } = group;
  for (let word = 0; word < isValue.length; word++)
    if (other.isValue[word] === 1 || group.shape.words[word] !== other.shape.words[word])
      isValue[word] = 1;
  group.members.push(...other.members);
}
