/** Completion scripts made from the tree of commands: words of commands and flags, files otherwise. */
import type { Command } from "commander";
import { FinchError } from "@finch/runtime";

export const SHELLS = ["bash", "zsh", "fish"] as const;

interface Words {
  /** Such as `agent run`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly doc: string }[];
  readonly flags: readonly { readonly name: string; readonly doc: string }[];
}

/** The script to source; throws for a shell that is not known. */
export function completionScript(shell: string, program: Command): string {
  const words = [...collectWords(program, "")];
  const name = program.name();
  switch (shell) {
    case "bash":
      return bashScript(name, words);
    case "zsh":
      return `#compdef ${name}\nautoload -U bashcompinit && bashcompinit\n${bashScript(name, words)}`;
    case "fish":
      return fishScript(name, words);
    default:
      throw new FinchError(
        "invalid",
        "finch/unknown-shell",
        `no completion for ${JSON.stringify(shell)}; known are ${SHELLS.join(", ")}`,
      );
  }
}

function* collectWords(command: Command, path: string): Iterable<Words> {
  const firstSentence = (text: string) => text.split(/[;:(]/)[0]!.trim();
  yield {
    path,
    commands: [
      ...shownCommands(command).map((one) => ({
        name: one.name(),
        doc: firstSentence(one.description()),
      })),
      ...command.registeredArguments.flatMap((one) =>
        (one.argChoices ?? []).map((name) => ({ name, doc: one.description })),
      ),
    ],
    flags: [
      ...command.options
        .filter((one) => !one.hidden)
        .map((one) => ({
          name: one.long ?? one.flags,
          doc: firstSentence(one.description),
        })),
      { name: "--help", doc: "show help" },
    ],
  };
  for (const one of shownCommands(command)) {
    yield* collectWords(one, path === "" ? one.name() : `${path} ${one.name()}`);
  }
}

/** Those that help lists, without `help` itself. */
function shownCommands(command: Command): Command[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((one) => one.name() !== "help");
}

function bashScript(name: string, words: readonly Words[]): string {
  const cases = words.map(({ path, commands, flags }) => {
    const offered = [...commands, ...flags].map((one) => one.name).join(" ");
    return `    "${path}") offered="${offered}" ;;`;
  });
  return `_${name}() {
  local word path="" offered="" known=" ${words.map(({ path }) => path.replaceAll(" ", "/")).join(" ")} "
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) continue ;; esac
    local next="\${path:+$path }$word"
    case "$known" in *" \${next// //} "*) path="$next" ;; esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$offered" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _${name} ${name}
`;
}

function fishScript(program: string, words: readonly Words[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines: string[] = [];
  for (const { path, commands, flags } of words) {
    const seen = path.split(" ").filter((word) => word !== "");
    const condition =
      seen.length === 0
        ? "__fish_use_subcommand"
        : seen.map((word) => `__fish_seen_subcommand_from ${word}`).join("; and ");
    for (const { name, doc } of commands) {
      lines.push(`complete -c ${program} -n ${quote(condition)} -f -a ${name} -d ${quote(doc)}`);
    }
    for (const { name, doc } of flags) {
      if (!name.startsWith("--")) continue;
      lines.push(
        `complete -c ${program} -n ${quote(condition)} -l ${name.slice(2)} -d ${quote(doc)}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
