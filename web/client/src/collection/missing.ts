interface Fetch {
  /** The number of the load whose rows lack this one. */
  readonly load: number;
  readonly abort: AbortController;
  /** The transactions that show once the row is there. */
  readonly xids: readonly (string | undefined)[];
}

/** The rows whose events came without their data, until they are loaded. */
export class MissingRows {
  private readonly fetches = new Map<string, Fetch>();
  private readonly applied = new Set<string>(); // transactions of which a row may be missing

  get size(): number {
    return this.fetches.size;
  }

  /** Begins to load a row, in place of an earlier request for it. */
  begin(key: string, load: number, xids: readonly (string | undefined)[]): AbortSignal {
    const before = this.fetches.get(key);
    before?.abort.abort();
    const abort = new AbortController();
    this.fetches.set(key, { load, abort, xids: [...(before?.xids ?? []), ...xids] });
    return abort.signal;
  }

  /** Records that a row is there. What is being loaded of it is dropped. */
  end(key: string): void {
    this.fetches.get(key)?.abort.abort();
    this.fetches.delete(key);
  }

  /** Drops the rows that another load lacked. */
  forgetOthers(load: number): void {
    for (const [key, fetch] of this.fetches) if (fetch.load !== load) this.end(key);
  }

  /** Adds transactions whose events were applied. Returns those, also of the earlier ones, of which no row is missing. */
  settle(xids: readonly (string | undefined)[]): string[] {
    for (const xid of xids) if (xid !== undefined) this.applied.add(xid);
    const held = new Set([...this.fetches.values()].flatMap((fetch) => fetch.xids));
    const shown = [...this.applied].filter((xid) => !held.has(xid));
    for (const xid of shown) this.applied.delete(xid);
    return shown;
  }

  close(): void {
    for (const key of this.fetches.keys()) this.end(key);
    this.applied.clear();
  }
}
