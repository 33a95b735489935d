/** Bodies of Finch's own API: an object of JSON, whose fields are read one by one. Every fault says which. */
import { FinchError } from "@finch/runtime";
import type { HttpRequest } from "@finch/runtime/http";

const BODY_BYTES_MAX = 64 * 1024;

/** An object that was sent. */
export class JsonBody {
  readonly #fields: Readonly<Record<string, unknown>>;

  private constructor(fields: Readonly<Record<string, unknown>>) {
    this.#fields = fields;
  }

  /** The body of a request, which has no other fields than those. Asks for the media type of JSON, which forms of other sites cannot send. */
  static async read(request: HttpRequest, known: readonly string[]): Promise<JsonBody> {
    if (!/^application\/json\s*(?:;|$)/i.test(request.header("content-type")))
      throw new FinchError(
        "unsupported-media",
        "control/no-json",
        "send the body as application/json",
      );
    const text = (await request.readBody(BODY_BYTES_MAX)).toString();
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw bad("the body is no JSON", error);
    }
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw bad("the body is no object");
    const unknown = Object.keys(value).find((name) => !known.includes(name));
    if (unknown !== undefined)
      throw bad(`there is no field ${JSON.stringify(unknown)}; known are ${known.join(", ")}`);
    return new JsonBody(value as Record<string, unknown>);
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  text(name: string): string {
    const value = this.#fields[name];
    if (typeof value !== "string") throw bad(`"${name}" must be a text`);
    return value;
  }

  textOr(name: string, otherwise: string): string {
    return this.has(name) ? this.text(name) : otherwise;
  }

  flag(name: string): boolean {
    const value = this.#fields[name];
    if (typeof value !== "boolean") throw bad(`"${name}" must be true or false`);
    return value;
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice {
    const value = choices.find((choice) => choice === this.#fields[name]);
    if (value === undefined) throw bad(`"${name}" must be one of ${choices.join(", ")}`);
    return value;
  }

  someOf<Choice extends string>(name: string, choices: readonly Choice[]): readonly Choice[] {
    const list = this.#fields[name];
    const isList = Array.isArray(list) && list.every((one) => choices.includes(one as Choice));
    if (!isList) throw bad(`"${name}" must be a list of ${choices.join(", ")}`);
    return list as Choice[];
  }

  /** A time of RFC 3339 as Unix milliseconds; undefined when it is not there. */
  timeMs(name: string): number | undefined {
    if (!this.has(name)) return undefined;
    const ms = Date.parse(this.text(name));
    if (Number.isNaN(ms)) throw bad(`"${name}" must be a time such as 2027-01-31T00:00:00Z`);
    return ms;
  }
}

function bad(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "control/bad-body", message, { cause });
}
