/** line_format, label_format, drop and keep. A missing label is the empty text to a template. */
import { parseTemplate, runTemplate, TemplateRunFault } from "@finch/go-text";
import type { TemplateNode, TemplateRoot } from "@finch/go-text";
import type { LabelFormat, LabelSelection } from "./ast.ts";
import { ERROR_DETAILS_LABEL, ERROR_LABEL } from "./row-labels.ts";
import type { RowLabels } from "./row-labels.ts";
import type { Row, Stage } from "./row.ts";
import { TEMPLATE_FUNCTIONS } from "./template-functions.ts";
import { TEMPLATE_FUNCTION_NAMES } from "./template-names.ts";

const TEMPLATE_ERROR = "TemplateFormatErr";

/** What the template makes of the row; undefined when it fails, which flags the row. */
function format(
  row: Row,
  nodes: readonly TemplateNode[],
  labels: TemplateRoot,
): string | undefined {
  try {
    return runTemplate(nodes, { root: labels, functions: TEMPLATE_FUNCTIONS, scope: row });
  } catch (error) {
    if (!(error instanceof TemplateRunFault)) throw error;
    row.labels.fail(TEMPLATE_ERROR, error.message);
    return undefined;
  }
}

export function lineFormatStage(template: string): Stage {
  const nodes = parseTemplate(template, TEMPLATE_FUNCTION_NAMES);
  return (row) => {
    const line = format(row, nodes, row.labels);
    if (line !== undefined) row.line = line;
    return true;
  };
}

export function labelFormatStage(formats: readonly LabelFormat[]): Stage {
  const compiled = formats.map((item) => ({
    ...item,
    nodes: item.rename ? [] : parseTemplate(item.value, TEMPLATE_FUNCTION_NAMES),
  }));
  const templates = compiled.filter((item) => !item.rename).length;
  return (row) => {
    const { labels } = row;
    // All templates see the labels as they were at the first of them.
    let snapshot: TemplateRoot | undefined;
    for (const { label, rename, value, nodes } of compiled) {
      if (rename) {
        const current = labels.find(value);
        if (current === undefined) continue;
        labels.set(label, current);
        labels.drop(value);
        continue;
      }
      if (snapshot === undefined) snapshot = templates > 1 ? snapshotOf(labels) : labels;
      const text = format(row, nodes, snapshot);
      if (text !== undefined) labels.set(label, text);
    }
    return true;
  };
}

function snapshotOf(labels: RowLabels): TemplateRoot {
  const map = labels.toMap();
  return { get: (name) => map.get(name) ?? "", toMap: () => map };
}

export function dropStage(selections: readonly LabelSelection[]): Stage {
  return ({ labels }) => {
    for (const { name, matcher } of selections) {
      if (matcher === undefined || matcher.matches(labels.get(name))) labels.drop(name);
    }
    return true;
  };
}

export function keepStage(selections: readonly LabelSelection[]): Stage {
  return ({ labels }) => {
    for (const name of labels.names()) {
      if (name === ERROR_LABEL || name === ERROR_DETAILS_LABEL) continue;
      const wanted = selections.some(
        (selection) =>
          selection.name === name &&
          (selection.matcher === undefined || selection.matcher.matches(labels.get(name))),
      );
      if (!wanted) labels.drop(name);
    }
    return true;
  };
}
