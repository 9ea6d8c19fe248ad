/** A change of one row. */
export type Change<Raw> = { type: "insert" | "update"; key: string; row: Raw } | { type: "delete"; key: string };

/** Returns what differs between two states. A row is the same object until it changes. */
export function changes<Raw>(before: ReadonlyMap<string, Raw>, after: ReadonlyMap<string, Raw>): Change<Raw>[] {
  const found: Change<Raw>[] = [];
  for (const key of before.keys()) if (!after.has(key)) found.push({ type: "delete", key });
  for (const [key, row] of after) {
    if (!before.has(key)) found.push({ type: "insert", key, row });
    else if (before.get(key) !== row) found.push({ type: "update", key, row });
  }
  return found;
}
