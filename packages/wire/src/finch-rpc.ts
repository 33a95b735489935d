/**
 * The messages of Finch's control plane over gRPC (package `finch`, proto3), both directions, for the server and `finchctl` alike. What each method and
 * field means is in `proto/finch.proto`; the numbers are those of Finch 1.13, so that its client and its server understand ours. Values are not judged here.
 */
import { ProtobufReader, ProtobufWriter, WIRE_BYTES, WIRE_VARINT } from "@finch/codec";
import { badBody, tooLarge, translateCodecErrors } from "./errors.ts";
import { bufferOver, isUtf8Range } from "./text-bytes.ts";

/** Paths of the methods, as gRPC has them in `:path`. */
export const FINCH_RPC_PATHS = {
  registerAgent: "/finch.AgentService/RegisterAgent",
  deregisterAgent: "/finch.AgentService/DeregisterAgent",
  getAgent: "/finch.AgentService/GetAgent",
  listAgents: "/finch.AgentService/ListAgents",
  getAgentConfig: "/finch.AgentService/GetAgentConfig",
  updateAgent: "/finch.AgentService/UpdateAgent",
  getServiceInfo: "/finch.InfoService/GetServiceInfo",
  getDashboardToken: "/finch.DashboardService/GetDashboardToken",
} as const;

/** Elements of a repeated field; an empty one takes two bytes on the wire and many times that in memory. */
export const FINCH_RPC_ELEMENTS_MAX = 100_000;

/** Decoding throws a FinchError (`wire/bad-body`, `wire/too-large`) that names the field; fields it does not know are skipped, as proto3 wants. */
export interface MessageCodec<Message> {
  readonly encode: (message: Message) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Message;
}

/** What is collected of a machine: shared by registering, reading and changing an agent. */
export interface AgentCollection {
  /** `key=value`, or a bare `key`, which stands for `key=true`. */
  readonly labels: readonly string[];
  /** URLs: `journal://`, `docker://`, `file:///path/glob`, `event://Channel`. */
  readonly logSources: readonly string[];
  readonly metrics: boolean;
  /** URLs such as `http://host:port/path`. */
  readonly metricsTargets: readonly string[];
  readonly profiles: boolean;
}

export interface RegisterAgentRequest extends AgentCollection {
  readonly hostname: string;
  /** `unix` or `windows`; empty is `unix`. */
  readonly node: string;
}

/** The request of every method that is about one agent, and the reply to registering one. */
export interface AgentId {
  /** The agent's resource id; opaque. */
  readonly rid: string;
}

export interface UpdateAgentRequest extends AgentCollection, AgentId {}

export interface GetAgentResponse extends AgentCollection {
  readonly resourceId: string;
  readonly hostname: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly node: string;
}

export interface AgentListItem extends AgentId {
  readonly hostname: string;
}

export interface ListAgentsResponse {
  readonly agents: readonly AgentListItem[];
}

export interface GetAgentConfigResponse {
  /** A file in Alloy's language, UTF-8; shares the memory of the message. */
  readonly config: Uint8Array;
}

export interface GetServiceInfoResponse {
  readonly id: string;
  readonly hostname: string;
  /** RFC 3339. */
  readonly createdAt: string;
  readonly release: string;
  readonly commit: string;
}

export interface GetDashboardTokenRequest {
  /** Seconds; undefined where the caller leaves it to the service. */
  readonly sessionTimeout: number | undefined;
  readonly role: string;
  /** Resource ids of agents; empty is all. */
  readonly scope: readonly string[];
}

export interface GetDashboardTokenResponse {
  readonly token: string;
  /** RFC 3339. */
  readonly expiresAt: string;
  readonly dashboardUrl: string;
}

/** How one field is read and written, and what it is when it is not there. */
interface Field<Value> {
  readonly number: number;
  readonly wireType: number;
  readonly absent: Value;
  /** What the field holds from now on; `before` is what it held, which repeated fields go on with. The tag is read. */
  readonly read: (reader: ProtobufReader, place: string, before: Value) => Value;
  /** Leaves out what equals `absent`. */
  readonly write: (writer: ProtobufWriter, value: Value) => void;
}

type FieldsOf<Message> = { readonly [Name in keyof Message]: Field<Message[Name]> };

const COLLECTION_FROM_2: FieldsOf<AgentCollection> = collectionFields(2);

export const REGISTER_AGENT_REQUEST = messageCodec<RegisterAgentRequest>("RegisterAgentRequest", {
  hostname: text(1),
  ...COLLECTION_FROM_2,
  node: text(7),
});
export const AGENT_ID = messageCodec<AgentId>("a message with an rid", { rid: text(1) });
export const UPDATE_AGENT_REQUEST = messageCodec<UpdateAgentRequest>("UpdateAgentRequest", {
  rid: text(1),
  ...COLLECTION_FROM_2,
});
export const GET_AGENT_RESPONSE = messageCodec<GetAgentResponse>("GetAgentResponse", {
  resourceId: text(1),
  hostname: text(2),
  ...collectionFields(3),
  createdAt: text(8),
  node: text(9),
});
export const LIST_AGENTS_RESPONSE = messageCodec<ListAgentsResponse>("ListAgentsResponse", {
  agents: messages(
    1,
    messageCodec<AgentListItem>("AgentListItem", { rid: text(1), hostname: text(2) }),
  ),
});
export const GET_AGENT_CONFIG_RESPONSE = messageCodec<GetAgentConfigResponse>(
  "GetAgentConfigResponse",
  { config: bytes(1) },
);
export const GET_SERVICE_INFO_RESPONSE = messageCodec<GetServiceInfoResponse>(
  "GetServiceInfoResponse",
  { id: text(1), hostname: text(2), createdAt: text(3), release: text(4), commit: text(5) },
);
export const GET_DASHBOARD_TOKEN_REQUEST = messageCodec<GetDashboardTokenRequest>(
  "GetDashboardTokenRequest",
  { sessionTimeout: optionalInt32(1), role: text(2), scope: texts(3) },
);
export const GET_DASHBOARD_TOKEN_RESPONSE = messageCodec<GetDashboardTokenResponse>(
  "GetDashboardTokenResponse",
  { token: text(1), expiresAt: text(2), dashboardUrl: text(3) },
);
/** The requests of ListAgents and GetServiceInfo, the replies of DeregisterAgent and UpdateAgent. */
export const EMPTY_MESSAGE = messageCodec<Readonly<Record<never, never>>>("an empty message", {});

function collectionFields(first: number): FieldsOf<AgentCollection> {
  return {
    labels: texts(first),
    logSources: texts(first + 1),
    metrics: flag(first + 2),
    metricsTargets: texts(first + 3),
    profiles: flag(first + 4),
  };
}

function messageCodec<Message extends object>(
  name: string,
  fields: FieldsOf<Message>,
): MessageCodec<Message> {
  // The table and the message have the same names; which value belongs to which field the compiler has checked above.
  const table = Object.entries<Field<unknown>>(
    fields as unknown as Readonly<Record<string, Field<unknown>>>,
  );
  const byNumber = new Map(table.map((entry) => [entry[1].number, entry]));
  return {
    encode: (message) => {
      const values = message as Readonly<Record<string, unknown>>;
      const writer = new ProtobufWriter();
      for (const [key, field] of table) field.write(writer, values[key]);
      return writer.finish();
    },
    decode: (encoded) =>
      translateCodecErrors(name, () => {
        const values = Object.fromEntries(table.map(([key, field]) => [key, field.absent]));
        const reader = new ProtobufReader(encoded);
        while (reader.more()) {
          reader.readTag();
          const entry = byNumber.get(reader.field);
          if (entry === undefined) {
            reader.skip();
            continue;
          }
          const [key, field] = entry;
          reader.expect(field.wireType);
          values[key] = field.read(reader, `${name}.${key}`, values[key]);
        }
        return values as Message;
      }),
  };
}

function text(number: number): Field<string> {
  return {
    number,
    wireType: WIRE_BYTES,
    absent: "",
    read: readText,
    write: (writer, value) => {
      if (value !== "") writer.writeString(number, value);
    },
  };
}

function texts(number: number): Field<readonly string[]> {
  return repeated(number, {
    read: readText,
    write: (writer, value) => writer.writeString(number, value),
  });
}

function messages<Message>(
  number: number,
  codec: MessageCodec<Message>,
): Field<readonly Message[]> {
  return repeated(number, {
    read: (reader) => codec.decode(reader.readBytes()),
    write: (writer, value) => writer.writeBytes(number, codec.encode(value)),
  });
}

function repeated<Value>(
  number: number,
  one: {
    readonly read: (reader: ProtobufReader, place: string) => Value;
    readonly write: (writer: ProtobufWriter, value: Value) => void;
  },
): Field<readonly Value[]> {
  return {
    number,
    wireType: WIRE_BYTES,
    absent: [],
    read: (reader, place, before) => {
      if (before.length === FINCH_RPC_ELEMENTS_MAX)
        throw tooLarge(`${place} has more than ${FINCH_RPC_ELEMENTS_MAX} elements`);
      const value = one.read(reader, `${place}[${before.length}]`);
      if (before.length === 0) return [value];
      (before as Value[]).push(value);
      return before;
    },
    write: (writer, values) => {
      for (const value of values) one.write(writer, value);
    },
  };
}

function flag(number: number): Field<boolean> {
  return {
    number,
    wireType: WIRE_VARINT,
    absent: false,
    read: (reader) => {
      reader.readVarint64();
      return reader.low !== 0 || reader.high !== 0;
    },
    write: (writer, value) => {
      if (value) writer.writeInt64(number, 1);
    },
  };
}

/** A field with presence: zero is written. Numbers beyond 32 bits are cut, as protobuf has it. */
function optionalInt32(number: number): Field<number | undefined> {
  return {
    number,
    wireType: WIRE_VARINT,
    absent: undefined,
    read: (reader) => {
      reader.readVarint64();
      return reader.low | 0;
    },
    write: (writer, value) => {
      if (value !== undefined) writer.writeInt64(number, value);
    },
  };
}

function bytes(number: number): Field<Uint8Array> {
  return {
    number,
    wireType: WIRE_BYTES,
    absent: new Uint8Array(0),
    read: (reader) => reader.readBytes(),
    write: (writer, value) => {
      if (value.length > 0) writer.writeBytes(number, value);
    },
  };
}

function readText(reader: ProtobufReader, place: string): string {
  const start = reader.readSpan();
  if (!isUtf8Range(reader.bytes, start, reader.position)) throw badBody(`${place} is not UTF-8`);
  return bufferOver(reader.bytes).toString("utf8", start, reader.position);
}
