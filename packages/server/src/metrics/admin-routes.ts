/**
 * `admin/tsdb/*` of Prometheus' HTTP API: deletes series, takes deleted samples off the disk, copies the store. Off unless it was turned on, for
 * whoever can call it can delete everything.
 */
import { FinchError } from "@finch/runtime";
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import { apiRoute, dataReply } from "./api-route.ts";
import { readRequiredSelectors, readSwitch, readTimeRange } from "./parameters.ts";

/** What is done to the store as a whole. */
export interface AdminActions {
  /** Copies the store below the data directory, without what is in memory when `skipHead`; resolves with the name of the copy. */
  snapshot(options: { readonly skipHead: boolean }): Promise<string>;
}

export interface AdminContext {
  readonly store: Pick<MetricStore, "deleteSeries" | "cleanTombstones">;
  /** Undefined while the admin API is off. */
  readonly admin: AdminActions | undefined;
}

const POST_OR_PUT: readonly HttpMethod[] = ["POST", "PUT"];

/** Deletes among the series of the tenant that asks. */
export function deleteRoutes(context: AdminContext): readonly HttpRoute[] {
  return [adminRoute(context, "delete_series", (request) => deleteSeries(context, request))];
}

/** What concerns the store as a whole, whoever asks. */
export function adminRoutes(context: AdminContext): readonly HttpRoute[] {
  return [
    adminRoute(context, "clean_tombstones", async () => {
      await context.store.cleanTombstones();
      return { status: 204 };
    }),
    adminRoute(context, "snapshot", async (request, admin) => {
      const parameters = await request.readParameters();
      const skipHead = readSwitch(parameters, "skip_head") ?? false;
      return dataReply({ name: await admin.snapshot({ skipHead }) });
    }),
  ];
}

function adminRoute(
  { admin }: AdminContext,
  name: string,
  act: (request: HttpRequest, admin: AdminActions) => Promise<HttpReply>,
): HttpRoute {
  return apiRoute(POST_OR_PUT, `/api/v1/admin/tsdb/${name}`, async (request) => {
    if (admin === undefined) {
      throw new FinchError(
        "unavailable",
        "server/admin-off",
        "admin APIs disabled: start Finch with --admin-api on",
      );
    }
    return await act(request, admin);
  });
}

async function deleteSeries({ store }: AdminContext, request: HttpRequest): Promise<HttpReply> {
  const parameters = await request.readParameters();
  const selectors = readRequiredSelectors(parameters);
  const range = readTimeRange(parameters);
  // All are read before the first is deleted: a mistake in the last one deletes nothing.
  for (const matchers of selectors) await store.deleteSeries({ matchers, ...range });
  return { status: 204 };
}
