/**
 * Reads events of the Windows event log as XML, with or without the rendered texts.
 * @see https://learn.microsoft.com/en-us/windows/win32/wes/eventschema-schema
 */
import { FinchError } from "@finch/runtime";

/** An event; texts and numbers that it lacks are "" and 0. */
export interface WindowsEvent {
  readonly source: string;
  readonly channel: string;
  readonly computer: string;
  readonly eventId: number;
  readonly version: number;
  readonly level: number;
  readonly task: number;
  readonly opcode: number;
  readonly levelText: string;
  readonly taskText: string;
  readonly opcodeText: string;
  /** Rendered and joined by commas, or the mask in hexadecimal. */
  readonly keywords: string;
  /** RFC 3339 with up to nine digits of a second. */
  readonly timeCreated: string;
  readonly recordId: number;
  readonly activityId: string;
  readonly relatedActivityId: string;
  readonly processId: number;
  readonly threadId: number;
  readonly userId: string;
  /** As it stands in the event, tags and all. */
  readonly userData: string;
  readonly eventData: string;
  readonly message: string;
}

/** The events of a text that holds one after another. */
export function parseWindowsEvents(xml: string): WindowsEvent[] {
  return childrenOf(xml)
    .filter(({ name }) => name === "Event")
    .map((element) => toEvent(element));
}

function toEvent(event: XmlElement): WindowsEvent {
  const parts = new Family(event.inner);
  const system = new Family(parts.inner("System"));
  const rendered = new Family(parts.inner("RenderingInfo"));
  const keywords = childrenOf(rendered.inner("Keywords")).map(({ inner }) => decodeText(inner));
  return {
    source: system.attribute("Provider", "Name"),
    channel: system.text("Channel"),
    computer: system.text("Computer"),
    eventId: system.number("EventID"),
    version: system.number("Version"),
    level: system.number("Level"),
    task: system.number("Task"),
    opcode: system.number("Opcode"),
    levelText: rendered.text("Level"),
    taskText: rendered.text("Task"),
    opcodeText: rendered.text("Opcode"),
    keywords: keywords.length > 0 ? keywords.join(",") : system.text("Keywords"),
    timeCreated: system.attribute("TimeCreated", "SystemTime"),
    recordId: system.number("EventRecordID"),
    activityId: system.attribute("Correlation", "ActivityID"),
    relatedActivityId: system.attribute("Correlation", "RelatedActivityID"),
    processId: Number(system.attribute("Execution", "ProcessID")) || 0,
    threadId: Number(system.attribute("Execution", "ThreadID")) || 0,
    userId: system.attribute("Security", "UserID"),
    userData: parts.inner("UserData"),
    eventData: parts.inner("EventData"),
    message: rendered.text("Message"),
  };
}

interface XmlElement {
  readonly name: string;
  readonly attributes: string;
  readonly inner: string;
}

/** The children of an element, by name. */
class Family {
  readonly #children: ReadonlyMap<string, XmlElement>;

  constructor(xml: string) {
    this.#children = new Map(childrenOf(xml).map((child) => [child.name, child]));
  }

  inner(name: string): string {
    return this.#children.get(name)?.inner ?? "";
  }

  text(name: string): string {
    return decodeText(this.inner(name));
  }

  number(name: string): number {
    return Number(this.text(name)) || 0;
  }

  attribute(name: string, attribute: string): string {
    const text = this.#children.get(name)?.attributes ?? "";
    const match = new RegExp(`(?:^|\\s)${attribute}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`).exec(text);
    return decodeText(match?.[1] ?? match?.[2] ?? "");
  }
}

const MARKUP =
  /<!--[\s\S]*?-->|<!\[CDATA\[[\s\S]*?\]\]>|<\?[\s\S]*?\?>|<(\/?)([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/g;

/** The elements at the top of a text. Throws `agent/windows-event` when one does not end. */
function childrenOf(xml: string): XmlElement[] {
  const children: XmlElement[] = [];
  let open: { name: string; attributes: string; start: number } | undefined;
  let depth = 0;
  for (const match of xml.matchAll(MARKUP)) {
    const [tag, slash, name, attributes = "", selfClosing] = match;
    if (name === undefined) continue;
    if (slash === "/") {
      depth--;
      if (depth === 0 && open !== undefined) {
        children.push({ ...open, inner: xml.slice(open.start, match.index) });
        open = undefined;
      }
    } else if (selfClosing === "/") {
      if (depth === 0) children.push({ name, attributes, inner: "" });
    } else {
      if (depth === 0) open = { name, attributes, start: match.index + tag.length };
      depth++;
    }
  }
  if (depth !== 0)
    throw new FinchError(
      "invalid",
      "agent/windows-event",
      `an event is not well-formed: ${open === undefined ? "an element ends that did not begin" : `<${open.name}> does not end`}`,
    );
  return children;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

function decodeText(xml: string): string {
  return xml.replace(
    /<!\[CDATA\[([\s\S]*?)\]\]>|&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g,
    (whole, ...groups: (string | undefined)[]) => {
      const [literal, hexadecimal, decimal, entity] = groups;
      if (literal !== undefined) return literal;
      if (entity !== undefined) return ENTITIES[entity] ?? whole;
      const code = hexadecimal === undefined ? Number(decimal) : parseInt(hexadecimal, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
