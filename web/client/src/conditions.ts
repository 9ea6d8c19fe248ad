import { events, type Param } from "./content.js";
import type { ConnectionOptions } from "./options.js";

/** Returns the filter of a stream without its collection, in a canonical order. */
export function conditionsOf({ types, key, where = {}, any }: ConnectionOptions): Param[] {
  const all: Param[] = types?.length ? [["types", [...types].sort().join(",")]] : [];
  for (const value of list(key)) all.push(["key", value]);
  for (const [field, values] of Object.entries(where).sort()) for (const value of list(values)) all.push([`where.${field}`, value]);
  for (const group of list(any)) all.push(["any", group]);
  return all;
}

/**
 * Returns the parameters of a stream with these selections, whose names are their numbers. A single selection of events is a
 * stream without names, as every server has it.
 */
export function selectionParams(contents: readonly string[]): Param[] {
  const [of, ...conditions] = contents[0]?.split(";") ?? [];
  if (contents.length !== 1 || of !== events) return contents.map((content, i) => [`q.${i}`, content]);
  return conditions.map((condition) => condition.split("=").map(decodeURIComponent) as unknown as Param);
}

function list(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : [...value].sort();
}
