/** Log lines of Windows events, as Alloy's `loki.source.windowsevent` writes them: JSON, key for key and without what is empty. */
import { goJson } from "../components/loki/go-json.ts";
import type { WindowsEvent } from "./event-xml.ts";

/** What is left out of the line. */
export interface WindowsLineOptions {
  readonly withoutEventData: boolean;
  readonly withoutUserData: boolean;
  readonly withoutMessage: boolean;
}

type Fields = readonly (readonly [string, string | number | Fields])[];

/** The process that Windows gives the number 4. */
const SYSTEM_PROCESS_ID = 4;

export function formatWindowsEvent(event: WindowsEvent, options: WindowsLineOptions): string {
  return toJson([
    ["source", event.source],
    ["channel", event.channel],
    ["computer", event.computer],
    ["event_id", event.eventId],
    ["version", event.version],
    ["level", event.level],
    ["task", event.task],
    ["opCode", event.opcode],
    ["levelText", event.levelText],
    ["taskText", event.taskText],
    ["opCodeText", event.opcodeText],
    ["keywords", event.keywords],
    ["timeCreated", event.timeCreated],
    ["eventRecordID", event.recordId],
    [
      "correlation",
      [
        ["activityID", event.activityId],
        ["relatedActivityID", event.relatedActivityId],
      ],
    ],
    ["execution", executionOf(event)],
    ["security", [["userId", event.userId]]],
    ["user_data", options.withoutUserData ? "" : event.userData],
    ["event_data", options.withoutEventData ? "" : event.eventData],
    ["message", options.withoutMessage ? "" : event.message],
  ]);
}

function executionOf({ processId, threadId }: WindowsEvent): Fields {
  if (processId === 0) return [];
  return [
    ["processId", processId],
    ["threadId", threadId],
    ["processName", processId === SYSTEM_PROCESS_ID ? "System" : ""],
  ];
}

function toJson(fields: Fields): string {
  const members: string[] = [];
  for (const [key, value] of fields) {
    if (value === "" || value === 0) continue;
    const text =
      typeof value === "string"
        ? goJson(value)
        : typeof value === "number"
          ? String(value)
          : toJson(value);
    if (text !== "{}") members.push(`"${key}":${text}`);
  }
  return `{${members.join(",")}}`;
}
