/** `set_semconv_span_name`: names spans by OpenTelemetry's semantic conventions, so that names are few. */
import type { Attributes, Span } from "@finch/wire";
import { defineFunction, optional, text, type OttlFunction } from "./signature.ts";
import { toText } from "./values.ts";

const VERSION_MIN = 37;
const VERSION_MAX = 43;
const KIND = { server: 2, client: 3, producer: 4, consumer: 5 };

export const SPAN_NAME_EDITOR: OttlFunction = defineFunction(
  "set_semconv_span_name",
  { semconv_version: text, original_span_name_attribute: optional(text) },
  ({ original_span_name_attribute: attribute }, subject) => {
    const span = subject.span!;
    const name = conventionalName(span) ?? span.name;
    if (name === span.name) return null;
    if (attribute !== undefined) span.attributes.set(attribute, span.name);
    span.name = name;
    return null;
  },
  {
    contexts: ["span"],
    check: ({ semconv_version: version, original_span_name_attribute: attribute }) => {
      const minor = /^v?1\.(\d+)(?:\.\d+)?$/.exec(version ?? "1.37.0")?.[1];
      if (minor === undefined || Number(minor) < VERSION_MIN || Number(minor) > VERSION_MAX)
        return `the version of the conventions is from 1.${VERSION_MIN}.0 to 1.${VERSION_MAX}.0`;
      return attribute === "" ? "original_span_name_attribute is empty" : undefined;
    },
  },
);

/** Undefined where no convention says what a name is made of. */
function conventionalName({ kind, attributes }: Span): string | undefined {
  switch (kind) {
    case KIND.server:
      return httpName(attributes, "http.route") ?? rpcName(attributes) ?? messagingName(attributes);
    case KIND.client:
      return (
        httpName(attributes, "url.template") ??
        rpcName(attributes) ??
        databaseName(attributes) ??
        messagingName(attributes)
      );
    case KIND.producer:
    case KIND.consumer:
      return messagingName(attributes);
    default:
      return undefined;
  }
}

/** The first of `names` that is there, newer names before older. */
function read(attributes: Attributes, ...names: readonly string[]): string | undefined {
  const name = names.find((one) => attributes.has(one));
  return name === undefined ? undefined : (toText(attributes.get(name)!) ?? "");
}

/** Parts that are there, joined; undefined when none is. */
function joined(parts: readonly (string | undefined)[], separator: string): string | undefined {
  const present = parts.filter((part) => part !== undefined && part !== "");
  return present.length === 0 ? undefined : present.join(separator);
}

function httpName(attributes: Attributes, pathAttribute: string): string | undefined {
  const method = read(attributes, "http.request.method", "http.method");
  return method === undefined ? undefined : joined([method, read(attributes, pathAttribute)], " ");
}

function rpcName(attributes: Attributes): string | undefined {
  const system = read(attributes, "rpc.system.name", "rpc.system");
  if (system === undefined) return undefined;
  const method = read(attributes, "rpc.method", "rpc.grpc.method");
  const service = read(attributes, "rpc.service", "rpc.grpc.service");
  if (service !== undefined) return `${service}/${method ?? "*"}`;
  return method ?? system;
}

function databaseName(attributes: Attributes): string | undefined {
  const system = read(attributes, "db.system.name", "db.system");
  if (system === undefined) return undefined;
  const summary = read(attributes, "db.query.summary");
  if (summary !== undefined) return summary;
  const operation = read(attributes, "db.operation.name", "db.operation");
  return joined([operation, databaseTarget(attributes)], " ") ?? system;
}

function databaseTarget(attributes: Attributes): string | undefined {
  const namespace = read(attributes, "db.namespace", "db.name");
  const object = read(attributes, "db.collection.name", "db.stored_procedure.name");
  return joined([namespace, object], ".") ?? serverName(attributes);
}

function messagingName(attributes: Attributes): string | undefined {
  const system = read(attributes, "messaging.system");
  if (system === undefined) return undefined;
  const operation = read(attributes, "messaging.operation.name", "messaging.operation");
  return joined([operation, messagingDestination(attributes)], " ") ?? system;
}

function messagingDestination(attributes: Attributes): string | undefined {
  if (attributes.get("messaging.destination.temporary") === true) return "(temporary)";
  if (attributes.get("messaging.destination.anonymous") === true) return "(anonymous)";
  const named = read(
    attributes,
    "messaging.destination.template",
    "messaging.destination.name",
    "messaging.destination",
  );
  return named ?? serverName(attributes);
}

function serverName(attributes: Attributes): string | undefined {
  return joined([read(attributes, "server.address"), read(attributes, "server.port")], ":");
}
