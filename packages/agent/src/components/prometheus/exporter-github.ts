/** `prometheus.exporter.github`: figures of repositories, and the quota of the API, asked for when it is scraped. */
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { GithubApi, type GithubAuthentication } from "../../github/api.ts";
import { addRates, addRepository } from "../../github/repository.ts";
import { createHttpClient, DEFAULT_HTTP_CLIENT_OPTIONS } from "../../http-client.ts";
import { maybe, optional, type ValuesOf } from "../../schema.ts";
import { FamilySet } from "../../unix/family-set.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const ARGUMENTS = {
  api_url: optional("string", "https://api.github.com", "Address of the REST API."),
  repositories: optional("list(string)", [], "Repositories, as `OWNER/NAME`."),
  organizations: optional("list(string)", [], "Organizations, whose repositories are shown."),
  users: optional("list(string)", [], "Users, whose repositories are shown."),
  api_token: maybe("secret", "Token of the API."),
  api_token_file: maybe("string", "File with the token; read at each request."),
  github_app_id: maybe("number", "App to sign in as.", { min: 1 }),
  github_app_installation_id: maybe("number", "Installation of the App.", { min: 1 }),
  github_app_key_path: maybe("string", "File with the App's private key, as PEM."),
  github_rate_limit: optional(
    "number",
    15_000,
    "Quota of the App; a smaller one means that its token ended, and another is asked for.",
    { min: 0 },
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

export const exporterGithub = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.github",
  stability: "generally-available",
  summary: "Exposes figures of repositories on GitHub.",
  arguments: ARGUMENTS,
  exports: { targets: "Target to scrape the figures from." },
  check: findFault,
  run: (context, signal) => runExporter(context, (values) => open(context, values), signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (!/^https?:\/\//.test(values.api_url) || !URL.canParse(values.api_url))
    return { at: "api_url", message: `${JSON.stringify(values.api_url)} is no address` };
  const bad = values.repositories.find((name) => !/^[^/\s]+\/[^/\s]+$/.test(name));
  if (bad !== undefined)
    return { at: "repositories", message: `${JSON.stringify(bad)} is not OWNER/NAME` };
  if (values.api_token !== undefined && values.api_token_file !== undefined) {
    return {
      at: "api_token_file",
      message: "at most one of api_token and api_token_file may be given",
    };
  }
  const app = appArguments(values);
  const given = app.filter((value) => value !== undefined);
  if (given.length > 0 && given.length < app.length) {
    return {
      message:
        "github_app_id, github_app_installation_id and github_app_key_path are given together",
    };
  }
  return undefined;
}

function appArguments(values: Arguments) {
  return [
    values.github_app_id,
    values.github_app_installation_id,
    values.github_app_key_path,
  ] as const;
}

function authenticationOf(values: Arguments): GithubAuthentication {
  const { api_token: token, api_token_file: path } = values;
  if (token !== undefined) return { kind: "token", credential: { kind: "text", secret: token } };
  if (path !== undefined) return { kind: "token", credential: { kind: "file", path } };
  const [appId, installationId, keyPath] = appArguments(values);
  if (appId === undefined || installationId === undefined || keyPath === undefined)
    return { kind: "none" };
  return { kind: "app", appId, installationId, keyPath };
}

async function open(context: Context, values: Arguments): Promise<OpenExporter> {
  const client = await createHttpClient(DEFAULT_HTTP_CLIENT_OPTIONS);
  const authentication = authenticationOf(values);
  const api = new GithubApi({
    url: values.api_url.replace(/\/+$/, ""),
    authentication,
    client,
    clock: context.clock,
  });
  return {
    targets: [exporterTarget(context, "github")],
    scrape: async ({ signal }) => {
      const families = new FamilySet();
      const faults = await addRepositories(families, { api, values, signal });
      for (const fault of faults) context.log.error("GitHub cannot be asked", { error: fault });
      const rates = await api.rateHeaders(signal);
      const limit = rates === undefined ? undefined : addRates(families, rates);
      if (limit !== undefined && limit < values.github_rate_limit) api.forgetAppToken();
      const wanted = values.repositories.length + values.organizations.length + values.users.length;
      if (faults.length > 0 && faults.length === wanted)
        throw new FinchError("unavailable", "agent/github-refused", faults[0]!);
      return families.text();
    },
    [Symbol.asyncDispose]: () => {
      client[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

interface Asking {
  readonly api: GithubApi;
  readonly values: Arguments;
  readonly signal: AbortSignal;
}

/** Answers why some are missing: one that fails does not hide the others. */
async function addRepositories(families: FamilySet, asking: Asking): Promise<readonly string[]> {
  const { api, values, signal } = asking;
  const faults: string[] = [];
  const attempt = async (step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      signal.throwIfAborted();
      faults.push(describeError(error));
    }
  };
  for (const name of values.repositories)
    await attempt(async () => {
      const path = `/repos/${name.split("/").map(encodeURIComponent).join("/")}`;
      const repository = await api.get(path, signal);
      const releases = await api.list(`${path}/releases`, signal);
      const pulls = await api.list(`${path}/pulls`, signal);
      addRepository(families, repository, { releases, pulls: pulls.length });
    });
  const lists = [
    ...values.organizations.map((name) => `/orgs/${encodeURIComponent(name)}/repos`),
    ...values.users.map((name) => `/users/${encodeURIComponent(name)}/repos`),
  ];
  for (const path of lists)
    await attempt(async () => {
      for (const repository of await api.list(path, signal))
        addRepository(families, repository, { releases: [], pulls: 0 });
    });
  return faults;
}
