import { resolve, type ConnectionOptions } from "./options.js";

/** Returns the stream's absolute URL with its filter, without a cursor. Streams with equal URLs can share a connection. */
export function streamURL(options: ConnectionOptions): URL {
  const url = resolve(options.url ?? "/api/events");
  const { searchParams } = url;
  if (options.collection !== undefined) searchParams.set("collection", options.collection);
  options.selections?.forEach((selection, i) => searchParams.set(`q.${i}`, selection));
  if (options.types?.length) searchParams.set("types", [...options.types].sort().join(","));
  for (const key of list(options.key)) searchParams.append("key", key);
  for (const [field, values] of Object.entries(options.where ?? {}).sort()) {
    for (const value of list(values)) searchParams.append(`where.${field}`, value);
  }
  for (const group of list(options.any)) searchParams.append("any", group);
  if (options.user !== undefined) searchParams.set("user", options.user);
  if (options.batch !== undefined) searchParams.set("batch", options.batch);
  if (options.conflate) searchParams.set("conflate", "1");
  return url;
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : [...value].sort();
}
