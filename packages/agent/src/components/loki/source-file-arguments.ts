/** What `loki.source.file` can be told. */
import { block, maybe, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

export const SOURCE_FILE_ARGUMENTS = {
  targets: required(
    "list(target)",
    "Files to read: `__path__` is the file, other labels go with every line.",
  ),
  forward_to: required("list(logs-receiver)", "Where the lines go."),
  encoding: optional(
    "string",
    "",
    "Encoding of the files, an IANA name; UTF-8 unless told otherwise.",
  ),
  tail_from_end: optional("bool", false, "Begin a file that is new to this component at its end."),
  on_positions_file_error: oneOf(
    ["restart_from_beginning"],
    "restart_from_beginning",
    "What to do when the positions cannot be read.",
  ),
  legacy_positions_file: maybe(
    "string",
    "Positions of a Promtail or static-mode agent: where to go on in files, when this component has no positions yet.",
  ),
  file_watch: block(
    {
      min_poll_frequency: optional("duration", 250, "How often a busy file is looked at.", {
        min: 10,
      }),
      max_poll_frequency: maybe(
        "duration",
        "How often a file that rests is looked at; as a busy one unless told otherwise.",
        { min: 10 },
      ),
    },
    { repeat: "one", doc: "How often files are looked at." },
  ),
  decompression: block(
    {
      enabled: required("bool", "Whether the files are compressed."),
      format: oneOf(["gz", "z"], "gz", "Compression of the files."),
      initial_delay: optional(
        "duration",
        0,
        "Wait before a new file is read, for whoever still writes it.",
      ),
    },
    { repeat: "optional", doc: "Reads compressed files, each once to its end." },
  ),
  file_match: block(
    {
      enabled: optional("bool", false, "Whether `__path__` of the targets is a pattern."),
      sync_period: optional("duration", 10_000, "How often the patterns are looked up again.", {
        min: 100,
      }),
      ignore_older_than: optional(
        "duration",
        0,
        "Leave out files last changed longer ago; 0 takes all.",
        { min: 0 },
      ),
    },
    { repeat: "optional", doc: "Finds the files itself, as local.file_match does." },
  ),
} as const;

export type SourceFileArguments = ValuesOf<typeof SOURCE_FILE_ARGUMENTS>;
