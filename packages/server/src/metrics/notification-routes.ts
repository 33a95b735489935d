/** `notifications` and `notifications/live` of Prometheus' HTTP API. */
import type { HttpRoute } from "@finch/runtime/http";
import { apiRoute, dataReply, GET } from "./api-route.ts";
import type { Notification, Notifications } from "./notifications.ts";

export function notificationRoutes(notifications: Notifications): readonly HttpRoute[] {
  return [
    apiRoute(GET, "/api/v1/notifications", async () => dataReply(notifications.list())),
    apiRoute(GET, "/api/v1/notifications/live", async ({ signal }) => {
      const stream = notifications.listen(signal);
      if (stream === undefined) return { status: 204 };
      return {
        status: 200,
        headers: { "content-type": "text/event-stream", "cache-control": "no-cache" },
        body: writeEvents(stream),
        compress: false,
      };
    }),
  ];
}

async function* writeEvents(stream: AsyncIterable<Notification>): AsyncGenerator<string> {
  // A comment, so that the headers go out at once and the page knows it is connected.
  yield ":\n\n";
  for await (const notification of stream) yield `data: ${JSON.stringify(notification)}\n\n`;
}
