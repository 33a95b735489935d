/**
 * Label selectors: as blocks of a component, as they stand in objects, as the text that the API server takes, and matched here against labels.
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
 */
import type { ArgumentFault } from "../component.ts";
import { block, maybe, optional, required } from "../schema.ts";
import type { ValuesOf } from "../schema.ts";

/** As in objects (`metav1.LabelSelector`). Empty: everything. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelExpression[];
}

export interface LabelExpression {
  readonly key: string;
  readonly operator: string;
  readonly values?: readonly string[];
}

const SELECTOR_ARGUMENTS = {
  match_labels: optional("map(string)", {}, "Labels with the values they must have."),
  match_expression: block(
    {
      key: required("string", "Name of a label."),
      operator: required("string", "In, NotIn, Exists or DoesNotExist."),
      values: maybe("list(string)", "Values for In and NotIn."),
    },
    { repeat: "many", doc: "What else must hold; all of it." },
  ),
};

type SelectorValues = ValuesOf<typeof SELECTOR_ARGUMENTS>;

/** A block of match_labels and match_expression. */
export function selectorBlock(doc: string) {
  return block(SELECTOR_ARGUMENTS, { repeat: "optional", doc });
}

/** The selector of a block; everything when there is none. */
export function selectorOf(values: SelectorValues | undefined): LabelSelector {
  if (values === undefined) return {};
  return {
    matchLabels: values.match_labels,
    matchExpressions: values.match_expression.map(({ key, operator, values: list }) => ({
      key,
      operator,
      ...(list !== undefined && { values: list }),
    })),
  };
}

/** What is wrong with a block, told at it. */
export function selectorFault(
  values: SelectorValues | undefined,
  name: string,
): ArgumentFault | undefined {
  for (const [index, expression] of (values?.match_expression ?? []).entries()) {
    const message = expressionFault(expression);
    if (message !== undefined) return { at: `${name}.match_expression[${index}]`, message };
  }
  return undefined;
}

function expressionFault({
  operator,
  values,
}: SelectorValues["match_expression"][number]): string | undefined {
  const count = values?.length ?? 0;
  if (operator === "In" || operator === "NotIn")
    return count === 0 ? `${operator} needs values` : undefined;
  if (operator === "Exists" || operator === "DoesNotExist")
    return count > 0 ? `${operator} takes no values` : undefined;
  return `unknown operator ${JSON.stringify(operator)}; expected In, NotIn, Exists or DoesNotExist`;
}

/** The `labelSelector` of a request; undefined when everything matches. Labels in order of their names, so that equal selectors are equal texts. */
export function formatLabelSelector(selector: LabelSelector): string | undefined {
  const parts = Object.entries(selector.matchLabels ?? {})
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    if (operator === "In") parts.push(`${key} in (${values.join(",")})`);
    else if (operator === "NotIn") parts.push(`${key} notin (${values.join(",")})`);
    else parts.push(operator === "Exists" ? key : `!${key}`);
  }
  return parts.length === 0 ? undefined : parts.join(",");
}

/** Whether labels satisfy a selector, as the API server sees it: `NotIn` is true of labels that lack the name. */
export function matchesSelector(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const hasAll = Object.entries(selector.matchLabels ?? {}).every(
    ([name, value]) => labels[name] === value,
  );
  return (
    hasAll &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
        default:
          throw new Error(`unknown operator ${JSON.stringify(operator)} in a label selector`);
      }
    })
  );
}
