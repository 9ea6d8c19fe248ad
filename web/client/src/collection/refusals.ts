import type { StreamError } from "../errors.js";

/** The statuses of a server or proxy that takes none of the selections because of some: one is wrong, or they are too long. */
const refusals: readonly unknown[] = [400, 414, 431];

/** Reports whether a server may take some of the selections alone. A single one of events has a stream without names already. */
export function isRefusal({ status }: StreamError, contents: readonly string[], hasEvents: boolean): boolean {
  return refusals.includes(status) && (contents.length > 1 || (hasEvents && contents[0]!.startsWith("collection:")));
}

/** Returns what the server's problem details name. */
export function refusedContents({ problem }: StreamError, contents: readonly string[]): string[] {
  const errors = Array.isArray(problem?.errors) ? (problem.errors as { field?: unknown }[]) : [];
  return contents.filter((_, i) => errors.some(({ field }) => field === `q.${i}`));
}
