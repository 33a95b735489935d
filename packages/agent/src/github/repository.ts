/** Repositories as the API tells of them, as metrics of github-exporter. */
import type { FamilySet } from "../unix/family-set.ts";

/** What of an answer is looked at; all of it may be missing. */
interface RepositoryJson {
  readonly name?: string;
  readonly owner?: { readonly login?: string };
  readonly private?: boolean;
  readonly fork?: boolean;
  readonly archived?: boolean;
  readonly license?: { readonly key?: string } | null;
  readonly language?: string | null;
  readonly stargazers_count?: number;
  readonly forks?: number;
  readonly subscribers_count?: number;
  readonly open_issues?: number;
  readonly size?: number;
}

interface ReleaseJson {
  readonly name?: string | null;
  readonly tag_name?: string;
  readonly assets?: readonly {
    readonly name?: string;
    readonly download_count?: number;
    readonly created_at?: string;
  }[];
}

const FIGURES = [
  ["github_repo_stars", "Total number of Stars for given repository", "stargazers_count"],
  ["github_repo_forks", "Total number of forks for given repository", "forks"],
  [
    "github_repo_watchers",
    "Total number of watchers/subscribers for given repository",
    "subscribers_count",
  ],
  ["github_repo_size_kb", "Size in KB for given repository", "size"],
] as const;

/** Adds one repository; lists of an organization or a user come without releases and pull requests, which then count as none. */
export function addRepository(
  families: FamilySet,
  value: unknown,
  more: { readonly releases: readonly unknown[]; readonly pulls: number },
): void {
  const repository = value as RepositoryJson;
  const repo = repository.name ?? "";
  const user = repository.owner?.login ?? "";
  const labels = Object.entries({
    archived: String(repository.archived ?? false),
    fork: String(repository.fork ?? false),
    language: repository.language ?? "",
    license: repository.license?.key ?? "",
    private: String(repository.private ?? false),
    repo,
    user,
  }).flat();
  for (const [name, help, key] of FIGURES)
    families.take("gauge", name, help).add(repository[key] ?? 0, ...labels);
  // GitHub counts pull requests among the issues.
  families
    .take("gauge", "github_repo_open_issues", "Total number of open issues for given repository")
    .add((repository.open_issues ?? 0) - more.pulls, ...labels);
  families
    .take(
      "gauge",
      "github_repo_pull_request_count",
      "Total number of pull requests for given repository",
    )
    .add(more.pulls, "repo", repo, "user", user);
  for (const release of more.releases) addRelease(families, release as ReleaseJson, { repo, user });
}

function addRelease(
  families: FamilySet,
  release: ReleaseJson,
  { repo, user }: { readonly repo: string; readonly user: string },
): void {
  for (const asset of release.assets ?? []) {
    const labels = {
      created_at: asset.created_at ?? "",
      name: asset.name ?? "",
      release: release.name ?? "",
      repo,
      tag: release.tag_name ?? "",
      user,
    };
    families
      .take("gauge", "github_repo_release_downloads", "Download count for a given release")
      .addLabelled(asset.download_count ?? 0, labels);
  }
}

/** The quota, as headers of every answer tell it. Answers the limit. */
export function addRates(
  families: FamilySet,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): number {
  const of = (name: string) => Number(headers[`x-ratelimit-${name}`] ?? Number.NaN);
  const rates = [
    ["limit", "Number of API queries allowed in a 60 minute window"],
    ["remaining", "Number of API queries remaining in the current window"],
    ["reset", "The time at which the current rate limit window resets in UTC epoch seconds"],
  ] as const;
  for (const [name, help] of rates) {
    const value = of(name);
    if (!Number.isNaN(value)) families.take("gauge", `github_rate_${name}`, help).add(value);
  }
  return of("limit");
}
