/** An event as streams of collections have it. */
export interface RowEvent {
  id?: number;
  type: string;
  data?: unknown;
  op?: string;
  moved?: boolean;
  key?: string;
  collection?: string;
  xid?: string;
  /** The selections that it concerns. */
  q?: readonly string[];
  /** What it does to each of them, if that differs. */
  ops?: Readonly<Record<string, { op: string }>>;
}

/** Returns the key of the only row to load again. */
export function resetKey({ data, collection }: RowEvent): string | undefined {
  return collection === undefined ? undefined : (data as { key?: string } | undefined)?.key;
}

/** Reports whether all rows must be loaded again after the event. */
export function isReset(event: RowEvent): boolean {
  return event.op !== undefined && (event.op === "reset" ? resetKey(event) : event.key) === undefined;
}
