/** `array.*` and `json_path`. */
import { fromJson } from "./json-values.ts";
import { argument, expectCount, textArgument } from "./library-arguments.ts";
import type { LibraryFunction } from "./library-arguments.ts";
import { isArray, isObject, toArray, ValueFault } from "./values.ts";
import type { Value } from "./values.ts";

export const ARRAY_FUNCTIONS: Readonly<Record<string, LibraryFunction>> = {
  "array.concat": (args) => args.flatMap((_, index) => argument(args, index, toArray)),
  json_path: (args) => {
    expectCount(args, 2);
    const document = fromJson(textArgument(args, 0));
    return selectPath(document, textArgument(args, 1));
  },
};

const STEP =
  /\.\.([\p{L}_][\p{L}\p{Nd}_-]*|\*)|\.([\p{L}_][\p{L}\p{Nd}_-]*|\*)|\[(?:(-?[0-9]+)|'([^']*)'|"([^"]*)"|(\*))\]/uy;

/** The values a JSONPath selects: names, indices, `*` and `..`; filters and slices are not built yet. */
function selectPath(document: Value, path: string): readonly Value[] {
  let selected: readonly Value[] = [document];
  STEP.lastIndex = path.startsWith("$") ? 1 : 0;
  if (!path.startsWith("$"))
    throw new ValueFault("argument 2: a JSON path starts with $", { argument: 1 });
  while (STEP.lastIndex < path.length) {
    const at = STEP.lastIndex;
    const match = STEP.exec(path);
    if (match === null)
      throw new ValueFault(`JSON path ${JSON.stringify(path.slice(at))} in json_path`, {
        argument: 1,
        isUnsupported: true,
      });
    const [, deep, name = match[4] ?? match[5], index, , , star] = match;
    if (deep !== undefined)
      selected = selected
        .flatMap((value) => descendants(value))
        .flatMap((value) => (deep === "*" ? children(value) : member(value, deep)));
    else if (star !== undefined || name === "*") selected = selected.flatMap(children);
    else if (index !== undefined)
      selected = selected.flatMap((value) => element(value, Number(index)));
    else selected = selected.flatMap((value) => member(value, name!));
  }
  return selected;
}

function member(value: Value, name: string): readonly Value[] {
  return isObject(value) && value.has(name) ? [value.get(name)!] : [];
}

function element(value: Value, index: number): readonly Value[] {
  const found = isArray(value) ? value.at(index) : undefined;
  return found === undefined ? [] : [found];
}

function children(value: Value): readonly Value[] {
  if (isArray(value)) return value;
  return isObject(value) ? [...value.values()] : [];
}

function descendants(value: Value): readonly Value[] {
  return [value, ...children(value).flatMap(descendants)];
}
