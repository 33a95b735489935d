/** What the commands of `finch fleet` do: calls of `/api/v1/fleet`, and their answers as tables. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { FinchError } from "@finch/runtime";
import { readOutput, writeOutput } from "./finchctl/output.ts";
import type { Table } from "./finchctl/output.ts";
import { callFinch, readCountFlag, readDurationFlag, targetOf } from "./query-client.ts";
import { readStandardInput } from "./standard-input.ts";

export interface FleetFlags {
  readonly output: string;
  readonly url?: string;
}

export interface SelectFlags extends FleetFlags {
  readonly selector: string;
}

export interface SaveFlags extends FleetFlags {
  readonly comment: string;
}

export interface VersionFlags extends FleetFlags {
  readonly number?: string;
}

export interface RollOutFlags extends VersionFlags {
  readonly selector: string;
  readonly stage: readonly string[];
  readonly unhealthyMax?: string;
  readonly wait?: boolean;
}

/** As the API answers; see docs/reference/fleet.md. */
interface CollectorAnswer {
  readonly id: string;
  readonly version: string;
  readonly contact: string;
  readonly lastContact: string;
  readonly drift: string;
  readonly statusError: string;
  readonly configuration: { readonly name: string; readonly version: number } | null;
  readonly figures: {
    readonly samplesPerSecond?: number;
    readonly linesPerSecond?: number;
    readonly errorShare?: number;
  } | null;
}

interface VersionAnswer {
  readonly name: string;
  readonly version: number;
  readonly author: string;
  readonly createdAt: string;
  readonly comment: string;
  readonly text?: string;
  readonly warnings?: readonly { readonly line: number; readonly message: string }[];
}

interface RolloutAnswer {
  readonly id: number;
  readonly configuration: string;
  readonly version: number;
  readonly selector: string;
  readonly state: string;
  readonly stage: number;
  readonly stages: readonly unknown[];
  readonly since: string;
  readonly reason: string;
  readonly waiting?: number;
}

const POLL_MS = 2000;

export async function listCollectors(flags: SelectFlags): Promise<void> {
  const query = new URLSearchParams({ selector: flags.selector });
  const answer = await call<{ collectors: CollectorAnswer[] }>(
    flags,
    "GET",
    `/collectors?${query.toString()}`,
  );
  const number = (value: number | undefined) => (value === undefined ? "-" : value.toFixed(1));
  write(flags, answer.collectors, {
    header: [
      "ID",
      "CONTACT",
      "LAST CONTACT",
      "VERSION",
      "CONFIGURATION",
      "DRIFT",
      "SAMPLES/S",
      "LINES/S",
      "LOSS",
    ],
    rows: answer.collectors.map((one) => [
      one.id,
      one.contact,
      one.lastContact,
      one.version || "-",
      one.configuration === null ? "-" : `${one.configuration.name} v${one.configuration.version}`,
      one.drift === "failed" ? `failed: ${one.statusError.split("\n", 1)[0]!}` : one.drift,
      number(one.figures?.samplesPerSecond),
      number(one.figures?.linesPerSecond),
      one.figures?.errorShare === undefined ? "-" : `${number(one.figures.errorShare * 100)} %`,
    ]),
  });
}

export async function listConfigurations(flags: FleetFlags): Promise<void> {
  const answer = await call<{ configurations: VersionAnswer[] }>(flags, "GET", "/configurations");
  write(flags, answer.configurations, {
    header: ["NAME", "VERSION", "AUTHOR", "CREATED", "COMMENT"],
    rows: answer.configurations.map((one) => [
      one.name,
      String(one.version),
      one.author,
      one.createdAt,
      one.comment,
    ]),
  });
}

export async function listRollouts(flags: FleetFlags): Promise<void> {
  const { rollouts } = await call<{ rollouts: RolloutAnswer[] }>(flags, "GET", "/rollouts");
  write(flags, rollouts, rolloutTable(rollouts));
}

/** Of whatever version is there: somebody who saved meanwhile is told by the number. */
export async function saveConfiguration(
  name: string,
  file: string,
  flags: SaveFlags,
): Promise<void> {
  const text = file === "-" ? await readStandardInput() : await readText(file);
  const body = { text, comment: flags.comment };
  const path = `/configurations/${encodeURIComponent(name)}`;
  const saved = await call<VersionAnswer>(flags, "PUT", path, body);
  for (const { line, message } of saved.warnings ?? [])
    process.stderr.write(`${file}:${line}: warning: ${message}\n`);
  write(flags, saved, {
    header: ["NAME", "VERSION"],
    rows: [[saved.name, String(saved.version)]],
  });
}

export async function showConfiguration(name: string, flags: VersionFlags): Promise<void> {
  const path = `/configurations/${encodeURIComponent(name)}`;
  let number = flags.number === undefined ? undefined : readCountFlag("--number", flags.number);
  if (number === undefined) {
    const { versions } = await call<{ versions: VersionAnswer[] }>(flags, "GET", path);
    number = versions[0]!.version;
  }
  const version = await call<VersionAnswer>(flags, "GET", `${path}/versions/${number}`);
  if (flags.output === "table") process.stdout.write(version.text ?? "");
  else write(flags, version, { header: [], rows: [] });
}

export async function rollOut(name: string, flags: RollOutFlags): Promise<void> {
  const { selector, stage, number, unhealthyMax } = flags;
  const body = {
    configuration: name,
    selector,
    ...(number !== undefined && { version: readCountFlag("--number", number) }),
    ...(stage.length > 0 && { stages: stage.map(readStage) }),
    ...(unhealthyMax !== undefined && {
      health: { unhealthyMax: readWholeNumber("--unhealthy-max", unhealthyMax) },
    }),
  };
  let rollout = await call<RolloutAnswer>(flags, "POST", "/rollouts", body);
  if (flags.wait === true) rollout = await follow(flags, rollout);
  write(flags, rollout, rolloutTable([rollout]));
  if (flags.wait === true && rollout.state === "rolled-back")
    throw new FinchError(
      "conflict",
      "finch/rolled-back",
      `the roll-out ${rollout.id} was taken back: ${rollout.reason}`,
    );
}

export async function commandRollout(
  id: string,
  command: "pause" | "resume" | "roll-back",
  flags: FleetFlags,
): Promise<void> {
  const number = readCountFlag("the number of the roll-out", id);
  const rollout = await call<RolloutAnswer>(flags, "POST", `/rollouts/${number}/${command}`, {});
  write(flags, rollout, rolloutTable([rollout]));
}

/** Tells each step on stderr. */
async function follow(flags: FleetFlags, rollout: RolloutAnswer): Promise<RolloutAnswer> {
  let told = "";
  for (;;) {
    const now = await call<RolloutAnswer>(flags, "GET", `/rollouts/${rollout.id}`);
    const waiting = now.state === "applying" ? `, ${now.waiting ?? 0} collectors wait` : "";
    const step = `stage ${now.stage} of ${now.stages.length}: ${now.state}${waiting}`;
    if (step !== told) process.stderr.write(`${step}\n`);
    told = step;
    if (now.state === "completed" || now.state === "rolled-back") return now;
    await sleep(POLL_MS);
  }
}

/** `1:2m`, `25%:10m`, or without a pause. */
function readStage(text: string): unknown {
  const match = /^([1-9]\d{0,6})(%?)(?::(.+))?$/.exec(text);
  if (match === null)
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `--stage ${text}: write a number of collectors or a share, and a pause, such as 1:2m or 25%:10m`,
    );
  const [, size, percent, pause] = match;
  return {
    [percent === "" ? "collectors" : "percent"]: Number(size),
    ...(pause !== undefined && { pauseSeconds: readDurationFlag("--stage", pause) / 1000 }),
  };
}

function readWholeNumber(name: string, text: string): number {
  return text === "0" ? 0 : readCountFlag(name, text);
}

function rolloutTable(rollouts: readonly RolloutAnswer[]): Table {
  return {
    header: ["ID", "CONFIGURATION", "SELECTOR", "STATE", "STAGE", "SINCE", "REASON"],
    rows: rollouts.map((one) => [
      String(one.id),
      `${one.configuration} v${one.version}`,
      one.selector,
      one.state,
      `${one.stage}/${one.stages.length}`,
      one.since,
      one.reason || "-",
    ]),
  };
}

function write(flags: FleetFlags, data: unknown, table: Table): void {
  writeOutput(readOutput({ output: flags.output }), data, table);
}

async function call<Answer>(
  flags: FleetFlags,
  method: string,
  path: string,
  body?: unknown,
): Promise<Answer> {
  readOutput({ output: flags.output });
  const target = targetOf(flags.url, `/api/v1/fleet${path}`, {});
  return (await callFinch(target, { method, body })) as Answer;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new FinchError("invalid", "finch/no-file", `cannot read ${path}`, { cause: error });
  }
}
