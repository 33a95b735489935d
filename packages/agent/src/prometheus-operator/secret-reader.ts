/** Reads values of Secrets and ConfigMaps that an object refers to. Each is asked for once in the life of a reader, which is one conversion. */
import { Secret } from "@finch/alloy-syntax";
import { FinchError } from "@finch/runtime";
import type { KubernetesClient } from "../kubernetes/client.ts";
import { resourcePath, RESOURCES } from "../kubernetes/objects.ts";
import type { KeySelector, SecretOrConfigMap } from "./resources.ts";

type Kind = "secret" | "configmap";
type Data = Readonly<Record<string, string>>;

export class SecretReader {
  readonly #client: KubernetesClient;
  readonly #namespace: string;
  readonly #signal: AbortSignal;
  readonly #read = new Map<string, Promise<Data>>();

  /** Of one namespace: objects may refer to nothing outside of theirs. */
  constructor(client: KubernetesClient, namespace: string, signal: AbortSignal) {
    this.#client = client;
    this.#namespace = namespace;
    this.#signal = signal;
  }

  /** Rejects with `agent/kubernetes-status` when it cannot be read, with `agent/secret-missing` when it has no such key. */
  async secret(selector: KeySelector): Promise<Secret> {
    return new Secret(Buffer.from(await this.#value("secret", selector), "base64").toString());
  }

  /** Of either; undefined when neither is named. */
  async text({ secret, configMap }: SecretOrConfigMap): Promise<string | undefined> {
    if (secret !== undefined) return (await this.secret(secret)).reveal();
    return configMap === undefined ? undefined : this.#value("configmap", configMap);
  }

  async #value(kind: Kind, { name = "", key }: KeySelector): Promise<string> {
    const id = `${kind} ${name}`;
    let reading = this.#read.get(id);
    if (reading === undefined) {
      reading = this.#data(kind, name);
      this.#read.set(id, reading);
    }
    const data = await reading;
    if (Object.hasOwn(data, key)) return data[key]!;
    throw new FinchError(
      "not-found",
      "agent/secret-missing",
      `${kind} ${this.#namespace}/${name} has no key ${JSON.stringify(key)}`,
    );
  }

  async #data(kind: Kind, name: string): Promise<Data> {
    const resource = RESOURCES[kind];
    const path = resourcePath(resource.roots[0]!, resource, this.#namespace);
    const object = (await this.#client.get({
      action: { verb: "get", resource: `${kind} ${name}`, namespace: this.#namespace },
      path: `${path}/${encodeURIComponent(name)}`,
      signal: this.#signal,
    })) as { readonly data?: Data | null };
    return object.data ?? {};
  }
}
