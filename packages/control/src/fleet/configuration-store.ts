/** Configurations of the fleet: named, each with versions that never change. A version is what is rolled out. */
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { Actor, AuditTrail } from "../audit-trail.ts";
import type { ControlDatabase } from "../database.ts";
import { toGiven } from "./collector-service.ts";
import { CONFIGURATION_CHARS_MAX, CONFIGURATIONS_MAX, VERSIONS_KEPT_MAX } from "./limits.ts";

export interface ConfigurationVersion {
  readonly id: number;
  readonly configuration: string;
  /** 1 for the first of its configuration. */
  readonly number: number;
  readonly hash: string;
  readonly comment: string;
  readonly author: string;
  readonly createdAtMs: number;
}

/** What is wrong with a text, with its place. */
export interface ConfigurationDiagnostic {
  readonly severity: "error" | "warning";
  readonly message: string;
  /** Of the text, from 1 on. */
  readonly line: number;
  readonly column: number;
}

/** Looks at a text without running it. */
export type ValidateConfiguration = (
  text: string,
  name: string,
) => Promise<readonly ConfigurationDiagnostic[]>;

export interface ConfigurationStoreOptions {
  readonly database: ControlDatabase;
  readonly audit: AuditTrail;
  readonly clock: Clock;
  readonly validate: ValidateConfiguration;
}

export interface ConfigurationEdit {
  readonly name: string;
  readonly text: string;
  /** Why, for people. */
  readonly comment: string;
  /** The number of the version that was edited; another one that came meanwhile is a `conflict`. Undefined: whatever is there. */
  readonly basedOn: number | undefined;
}

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const COMMENT_CHARS_MAX = 1000;
/** What is read again when it is wanted again; texts may be large. */
const TEXTS_CACHED_MAX = 16;
const VERSIONS_CACHED_MAX = 1000;
const VERSION_COLUMNS = "id, configuration, number, hash, comment, author, created_at_ms";

export class ConfigurationStore {
  readonly #options: ConfigurationStoreOptions;
  /** Texts and versions that collectors asked for, by id. */
  readonly #texts = new Map<number, string>();
  readonly #versions = new Map<number, ConfigurationVersion>();

  constructor(options: ConfigurationStoreOptions) {
    this.#options = options;
  }

  /** The newest version of each, by name. */
  list(): readonly ConfigurationVersion[] {
    return this.#select(
      "WHERE number = (SELECT max(number) FROM fleet_versions AS newer WHERE newer.configuration = fleet_versions.configuration) ORDER BY configuration",
    );
  }

  /** Newest first. */
  versions(name: string): readonly ConfigurationVersion[] {
    return this.#select("WHERE configuration = ? ORDER BY number DESC", name);
  }

  /** The newest version when `number` is undefined; a `not-found` fault when there is none. */
  version(name: string, number?: number): ConfigurationVersion {
    const versions = this.versions(name);
    const found =
      number === undefined ? versions[0] : versions.find((one) => one.number === number);
    if (found !== undefined) return found;
    const what = number === undefined ? "" : ` with a version ${number}`;
    throw new FinchError(
      "not-found",
      "control/no-configuration",
      `there is no configuration ${JSON.stringify(name)}${what}; GET /api/v1/fleet/configurations lists all`,
    );
  }

  /** One that a roll-out names, so that it is there. */
  byId(id: number): ConfigurationVersion {
    const kept = this.#versions.get(id) ?? this.#select("WHERE id = ?", id)[0]!;
    if (this.#versions.size >= VERSIONS_CACHED_MAX) this.#versions.clear();
    this.#versions.set(id, kept);
    return kept;
  }

  textOf({ id }: Pick<ConfigurationVersion, "id">): string {
    const kept = this.#texts.get(id);
    if (kept !== undefined) return kept;
    const row = this.#options.database
      .prepare("SELECT text FROM fleet_versions WHERE id = ?")
      .get(id);
    const text = String(row!["text"]);
    if (this.#texts.size >= TEXTS_CACHED_MAX) this.#texts.clear();
    this.#texts.set(id, text);
    return text;
  }

  validate(text: string, name: string): Promise<readonly ConfigurationDiagnostic[]> {
    checkLength(text);
    return this.#options.validate(text, name);
  }

  /**
   * Keeps a text as the next version; one with errors is an `unprocessable` fault that lists them, and nothing is kept. The text of the newest version gives that
   * version again.
   */
  async save(
    edit: ConfigurationEdit,
    actor: Actor,
  ): Promise<{
    readonly version: ConfigurationVersion;
    readonly warnings: readonly ConfigurationDiagnostic[];
  }> {
    const { name, text } = edit;
    if (!NAME.test(name)) throw badName(name);
    const diagnostics = await this.validate(text, name);
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    if (errors.length > 0) throw badText(name, errors);
    const version = this.#options.database.transaction(() => this.#insert(edit, actor));
    return { version, warnings: diagnostics };
  }

  #insert(edit: ConfigurationEdit, actor: Actor): ConfigurationVersion {
    const { database, audit, clock } = this.#options;
    const { name, text, basedOn } = edit;
    const [newest] = this.versions(name);
    if (basedOn !== undefined && basedOn !== (newest?.number ?? 0))
      throw editedMeanwhile(name, newest);
    const { hash } = toGiven(text);
    if (newest?.hash === hash) return newest;
    if (newest === undefined && this.list().length >= CONFIGURATIONS_MAX)
      throw tooManyConfigurations();
    const number = (newest?.number ?? 0) + 1;
    const { lastInsertRowid } = database
      .prepare(
        "INSERT INTO fleet_versions (configuration, number, text, hash, comment, author, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
      )
      .run(
        name,
        number,
        text,
        hash,
        edit.comment.slice(0, COMMENT_CHARS_MAX),
        actor.name,
        clock.nowMs(),
      );
    this.#forgetOldest(name);
    audit.record(actor, {
      action: "fleet.configuration.save",
      target: name,
      details: { version: number, hash },
    });
    return this.byId(Number(lastInsertRowid));
  }

  /** Those that no roll-out names, beyond the newest. */
  #forgetOldest(name: string): void {
    this.#options.database
      .prepare(
        `DELETE FROM fleet_versions WHERE configuration = ?1 AND id NOT IN (SELECT version_id FROM fleet_rollouts)
           AND number <= (SELECT max(number) FROM fleet_versions WHERE configuration = ?1) - ?2`,
      )
      .run(name, VERSIONS_KEPT_MAX);
  }

  #select(rest: string, ...values: (string | number)[]): readonly ConfigurationVersion[] {
    return this.#options.database
      .prepare(`SELECT ${VERSION_COLUMNS} FROM fleet_versions ${rest}`)
      .all(...values)
      .map((row) => ({
        id: Number(row["id"]),
        configuration: String(row["configuration"]),
        number: Number(row["number"]),
        hash: String(row["hash"]),
        comment: String(row["comment"]),
        author: String(row["author"]),
        createdAtMs: Number(row["created_at_ms"]),
      }));
  }
}

function checkLength(text: string): void {
  if (text.length <= CONFIGURATION_CHARS_MAX) return;
  throw new FinchError(
    "too-large",
    "control/configuration-too-large",
    `the configuration is longer than ${CONFIGURATION_CHARS_MAX} characters: split it by what collectors need`,
  );
}

function badName(name: string): FinchError {
  return new FinchError(
    "invalid",
    "control/bad-configuration-name",
    `${JSON.stringify(name)} cannot be the name of a configuration: take up to 63 small letters, digits, dots, hyphens and underscores, such as web-servers`,
  );
}

function badText(name: string, errors: readonly ConfigurationDiagnostic[]): FinchError {
  const lines = errors.map(({ line, column, message }) => `${name}:${line}:${column}: ${message}`);
  return new FinchError("unprocessable", "control/bad-configuration", lines.join("\n"));
}

function editedMeanwhile(name: string, newest: ConfigurationVersion | undefined): FinchError {
  const now = newest === undefined ? "there is none" : `it is at version ${newest.number}`;
  return new FinchError(
    "conflict",
    "control/configuration-changed",
    `the configuration ${JSON.stringify(name)} was changed meanwhile (${now}): read it again and repeat the change`,
  );
}

function tooManyConfigurations(): FinchError {
  return new FinchError(
    "limited",
    "control/too-many-configurations",
    `there are ${CONFIGURATIONS_MAX} configurations, more are not taken`,
  );
}
