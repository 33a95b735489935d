/** Fields that paths name, made from properties of telemetry. */
import type { Attributes } from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import { setValueAt, valueAt } from "./index-value.ts";
import { integer, map, text, time } from "./signature.ts";
import type { Getter, Subject } from "./subject.ts";
import { OttlId, OttlParts, OttlTime, toStored, typeOf, type OttlValue } from "./values.ts";

export interface Field {
  readonly get: Getter;
  readonly set: (subject: Subject, value: OttlValue) => void;
  /** What `[key]` behind it reads and writes; undefined where it may have none. */
  readonly keyed: KeyedAccess | undefined;
}

export interface KeyedAccess {
  get(subject: Subject, keys: readonly OttlValue[]): OttlValue;
  set(subject: Subject, keys: readonly OttlValue[], value: OttlValue): void;
}

export type Fields = Readonly<Record<string, Field>>;

type Of<Key extends string, Type> = (subject: Subject) => { [Name in Key]: Type };

function plain(get: Getter, set: Field["set"]): Field {
  return { get, set, keyed: undefined };
}

export function textField<Key extends string>(of: Of<Key, string>, key: Key): Field {
  return plain(
    (subject) => of(subject)[key],
    (subject, value) => {
      of(subject)[key] = text.convert(value) as never;
    },
  );
}

/** A number of at most 32 bits. */
export function countField<Key extends string>(of: Of<Key, number>, key: Key): Field {
  return plain(
    (subject) => BigInt(of(subject)[key]),
    (subject, value) => {
      of(subject)[key] = Number(BigInt.asUintN(32, integer.convert(value))) as never;
    },
  );
}

/** An unsigned number of 64 bits, read as a signed one. */
export function wideField<Key extends string>(of: Of<Key, bigint>, key: Key): Field {
  return plain(
    (subject) => BigInt.asIntN(64, of(subject)[key]),
    (subject, value) => {
      of(subject)[key] = BigInt.asUintN(64, integer.convert(value)) as never;
    },
  );
}

/** Unix nanoseconds as a time. */
export function timeField<Key extends string>(of: Of<Key, bigint>, key: Key): Field {
  return plain(
    (subject) => new OttlTime(of(subject)[key]),
    (subject, value) => {
      of(subject)[key] = BigInt.asUintN(64, time.convert(value).ns) as never;
    },
  );
}

/** An id of `length` bytes: all zeros where it is empty. */
export function idFields<Key extends string>(
  of: Of<Key, Uint8Array>,
  key: Key,
  { name, length }: { readonly name: string; readonly length: number },
): Fields {
  const read = (subject: Subject) => hexOf(of(subject)[key], length);
  const write = (subject: Subject, hex: string) => {
    of(subject)[key] = bytesOf(hex) as never;
  };
  return {
    [name]: plain(
      (subject) => new OttlId(read(subject)),
      (subject, value) => {
        if (!(value instanceof OttlId) || value.hex.length !== 2 * length)
          throw new OttlRunFault(
            `${name} is set to an id of ${length} bytes, not to ${typeOf(value)}`,
          );
        write(subject, value.hex);
      },
    ),
    [`${name}.string`]: plain(read, (subject, value) => {
      const hex = text.convert(value);
      if (!isHex(hex, length))
        throw new OttlRunFault(
          `${name} has ${2 * length} hexadecimal digits, not ${JSON.stringify(hex)}`,
        );
      write(subject, hex.toLowerCase());
    }),
  };
}

export function isHex(hex: string, length: number): boolean {
  return hex.length === 2 * length && /^[0-9a-fA-F]*$/.test(hex);
}

function hexOf(bytes: Uint8Array, length: number): string {
  return bytes.length === 0 ? "00".repeat(length) : Buffer.from(bytes).toString("hex");
}

/** An id of zeros alone is none. */
function bytesOf(hex: string): Uint8Array {
  return /^0*$/.test(hex) ? new Uint8Array() : Uint8Array.from(Buffer.from(hex, "hex"));
}

export function attributesField<Key extends string>(of: Of<Key, Attributes>, key: Key): Field {
  return {
    get: (subject) => of(subject)[key],
    set: (subject, value) => {
      of(subject)[key] = toStored(map.convert(value)) as never;
    },
    keyed: keyedIn((subject) => of(subject)[key]),
  };
}

/** Keys into a value that is a map or a list. */
export function keyedIn(root: Getter): KeyedAccess {
  return {
    get: (subject, keys) => valueAt(root(subject), keys),
    set: (subject, keys, value) => setValueAt(root(subject), keys, value),
  };
}

/** Repeated messages as a whole: counted, or copied to where the same kind stands. */
export function partsField(name: string, of: (subject: Subject) => unknown[] | undefined): Field {
  return plain(
    (subject) => {
      const parts = of(subject);
      return parts === undefined ? null : new OttlParts(name, parts);
    },
    (subject, value) => {
      const parts = of(subject);
      if (!(value instanceof OttlParts) || value.name !== name || parts === undefined)
        throw new OttlRunFault(`${name} cannot be set to ${typeOf(value)}`);
      const copies = structuredClone(value.parts);
      parts.length = 0;
      for (const copy of copies) parts.push(copy);
    },
  );
}

/** A field that some records do not have: reads as null there, and cannot be set. */
export function someField<Holder>(
  of: (subject: Subject) => Holder | undefined,
  access: {
    readonly what: string;
    readonly get: (holder: Holder) => OttlValue;
    readonly set: (holder: Holder, value: OttlValue) => void;
  },
): Field {
  return plain(
    (subject) => {
      const holder = of(subject);
      return holder === undefined ? null : access.get(holder);
    },
    (subject, value) => {
      const holder = of(subject);
      if (holder === undefined) throw new OttlRunFault(`there is no ${access.what} here`);
      access.set(holder, value);
    },
  );
}
