import type { Description } from "./api.js";

/** A row with its key. */
export interface Entry<Row> {
  readonly key: string;
  readonly row: Row;
}

/**
 * The first rows of a list, in order. If the list goes on, the window holds exactly the rows up to
 * its bound, wherever rows move: those after it are unknown. It holds some more than it shows, so
 * that a row that leaves needs no load. A window never changes; `changedWindow` returns another one.
 */
export class Window<Row> {
  /** The rows to show, and their keys. */
  readonly rows: readonly Row[];
  readonly keys: readonly string[];

  constructor(
    readonly entries: readonly Entry<Row>[],
    readonly bound: Entry<Row> | null,
    readonly limit: number,
    readonly description: Description,
    /** The parameter of the list; empty for the order of the key. */
    readonly order: string,
    /** Rows may be in a wrong place or missing, since only the database knows their order. */
    readonly isUncertain = false,
  ) {
    const shown = entries.slice(0, limit);
    this.rows = shown.map(({ row }) => row);
    this.keys = shown.map(({ key }) => key);
  }

  /** The number of rows to load for a limit. */
  static size(limit: number): number {
    return limit + Math.min(limit, 50);
  }

  /** Whether the list has rows that are not shown. */
  get hasMore(): boolean {
    return this.bound !== null || this.entries.length > this.limit;
  }

  /** Whether the list must be loaded again to know which rows to show, or where. */
  get needsReload(): boolean {
    return this.isUncertain || (this.bound !== null && this.entries.length < this.limit);
  }
}
