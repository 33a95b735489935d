/** HTML of the Markdown that reference pages are made of: headings, tables, paragraphs, code and bold text. Not for what users write. */
import { escapeXml } from "../graph-view/graph-svg.ts";

export function markdownHtml(markdown: string): string {
  return markdown
    .trim()
    .split(/\n{2,}/)
    .map(block)
    .join("\n");
}

function block(text: string): string {
  const heading = /^(#{2,4}) (.*)$/.exec(text);
  if (heading !== null) {
    const level = Math.min(heading[1]!.length + 1, 4);
    return `<h${level}>${inline(heading[2]!)}</h${level}>`;
  }
  if (text.startsWith("| ")) return table(text.split("\n"));
  return `<p>${inline(text)}</p>`;
}

function table([head = "", , ...rows]: readonly string[]): string {
  const cells = (row: string, tag: "th" | "td") =>
    row
      .slice(2, -2)
      .split(/(?<!\\) \| |(?<= )\| (?=\|)/)
      .map((cell) => `<${tag}>${inline(cell.replaceAll("\\|", "|").trim())}</${tag}>`)
      .join("");
  return `<div class="scroll"><table><tr>${cells(head, "th")}</tr>${rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")}</table></div>`;
}

function inline(text: string): string {
  return text
    .split(/(`[^`]*`)/)
    .map((part) =>
      part.startsWith("`") && part.endsWith("`") && part.length > 1
        ? `<code>${escapeXml(part.slice(1, -1))}</code>`
        : escapeXml(part).replaceAll(/\*\*(.+?)\*\*/g, "<b>$1</b>"),
    )
    .join("");
}
