/** The `name` of Pyroscope's `/ingest`: an application with its labels in braces, `shop.api{region=eu,version=1}`. Nothing is quoted or escaped. */
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";

/** The label that holds the application. */
const NAME = "__name__";

/** The labels of a name. What stands in the braces without `=` is left out, as Pyroscope does. Throws `wire/bad-profile-name`. */
export function parseProfileName(text: string): Labels {
  const [application, rest] = splitOnce(text, "{");
  if (application.trim() === "") throw badName(text, "it has no application before its labels");
  const pairs = new Map<string, string>([[NAME, application.trim()]]);
  const [inside] = splitOnce(rest ?? "", "}");
  for (const part of inside.split(",")) {
    const [key, value] = splitOnce(part, "=");
    const name = key.trim();
    if (value === undefined || name === "") continue;
    if (name === NAME) throw badName(text, `the label ${NAME} is the application's`);
    pairs.set(name, value.trim());
  }
  return Labels.fromPairs([...pairs].flat());
}

/** The name that has these labels. */
export function formatProfileName(labels: Labels): string {
  const pairs = [...labels].filter(([name]) => name !== NAME);
  return `${labels.get(NAME)}{${pairs.map(([name, value]) => `${name}=${value}`).join(",")}}`;
}

function splitOnce(text: string, separator: string): [before: string, after: string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function badName(text: string, why: string): FinchError {
  const shown = JSON.stringify(text.slice(0, 200));
  return new FinchError(
    "invalid",
    "wire/bad-profile-name",
    `the name ${shown} is no name of a profile such as shop.api{region=eu}: ${why}`,
  );
}
