import { conditionsOf, selectionParams } from "./conditions.js";
import { resolve, type ConnectionOptions } from "./options.js";

/** Returns the stream's absolute URL with its filter, without a cursor. Streams with equal URLs can share a connection. */
export function streamURL(options: ConnectionOptions): URL {
  const url = resolve(options.url ?? "/api/events");
  const { searchParams } = url;
  if (options.collection !== undefined) searchParams.set("collection", options.collection);
  for (const [name, value] of [...selectionParams(options.selections ?? []), ...conditionsOf(options)]) {
    if (name === "types") searchParams.set(name, value);
    else searchParams.append(name, value);
  }
  if (options.user !== undefined) searchParams.set("user", options.user);
  if (options.batch !== undefined) searchParams.set("batch", options.batch);
  if (options.conflate) searchParams.set("conflate", "1");
  return url;
}
