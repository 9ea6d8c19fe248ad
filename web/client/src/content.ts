/** A name and a value of a query string. */
export type Param = readonly [name: string, value: string];

/** Selects events of the log, and not rows of a collection. */
export const events = "events";

/**
 * Returns what is selected as the parameter of one of several selections has it, in a canonical form: "events" or
 * "collection:NAME", and the conditions. Equal contents can share a selection of a stream.
 */
export function contentOf(of: string | undefined, conditions: readonly Param[]): string {
  const within = conditions.map((pair) => pair.map(encodeURIComponent).join("="));
  return [of === undefined ? events : `collection:${encodeURIComponent(of)}`, ...within.sort()].join(";");
}
