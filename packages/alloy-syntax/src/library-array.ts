/** `array.*` and `json_path`. */
import { fromJson } from "./json-values.ts";
import { selectPath } from "./json-path.ts";
import { argument, expectCount, textArgument } from "./library-arguments.ts";
import type { LibraryFunction } from "./library-arguments.ts";
import { describeKind, equals, formatValue, isArray, toObject, ValueFault } from "./values.ts";
import type { ObjectValue, Value } from "./values.ts";

export const ARRAY_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  "array.concat": (args) => args.flatMap((_, index) => argument(args, index, asArray)),
  "array.combine_maps": combineMaps,
  "array.group_by": groupBy,
  json_path: (args) => {
    expectCount(args, 2);
    const path = textArgument(args, 1);
    return selectPath(fromJson(textArgument(args, 0)), path);
  },
};

function shouldBe(value: Value, expected: string): ValueFault {
  return new ValueFault(`${formatValue(value)} should be ${expected}, got ${describeKind(value)}`);
}

function asArray(value: Value): readonly Value[] {
  if (isArray(value)) return value;
  throw shouldBe(value, "array");
}

function asBool(value: Value): boolean {
  if (typeof value === "boolean") return value;
  throw shouldBe(value, "bool");
}

function asString(value: Value): string {
  if (typeof value === "string") return value;
  throw shouldBe(value, "string");
}

/** Objects, and what can be read as one, such as a target. */
function asObjects(value: Value): readonly ObjectValue[] {
  return asArray(value).map((element) => {
    try {
      if (element !== null) return toObject(element);
    } catch (error) {
      if (!(error instanceof ValueFault)) throw error;
    }
    throw shouldBe(element, "object");
  });
}

/** Joins the objects of two lists that are equal in all of the given keys; where both have a key, the second wins. */
function combineMaps(args: readonly Value[]): Value {
  expectCount(args, 3, 4);
  const left = argument(args, 0, asObjects);
  const right = argument(args, 1, asObjects);
  const keys = argument(args, 2, (value) => asArray(value).map(asString));
  if (keys.length === 0)
    throw new ValueFault("merge conditions must not be empty", { argument: 2 });
  const keepsUnmatched = args.length === 4 && argument(args, 3, asBool);
  const isJoined = (a: ObjectValue, b: ObjectValue) =>
    keys.every((key) => a.has(key) && b.has(key) && equals(a.get(key)!, b.get(key)!));
  return left.flatMap((a) => {
    const joined = right.filter((b) => isJoined(a, b)).map((b) => new Map([...a, ...b]));
    return joined.length === 0 && keepsUnmatched ? [a] : joined;
  });
}

/** Groups objects by the text of a key, in the order of first appearance. Those without the key are left out, or make the group of the empty text. */
function groupBy(args: readonly Value[]): Value {
  expectCount(args, 3);
  const objects = argument(args, 0, asObjects);
  const key = argument(args, 1, asString);
  const dropsMissing = argument(args, 2, asBool);
  const groups = new Map<string, ObjectValue[]>();
  for (const object of objects) {
    const value = object.get(key);
    if (value === undefined && dropsMissing) continue;
    const name = value === undefined ? "" : argument([value], 0, asString);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [object]);
    else group.push(object);
  }
  return [...groups].map(
    ([name, items]) =>
      new Map<string, Value>([
        [key, name],
        ["items", items],
      ]),
  );
}
