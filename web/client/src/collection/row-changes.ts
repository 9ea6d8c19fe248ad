import { StreamError } from "../errors.js";
import type { Description } from "./api.js";
import { changedWindow } from "./changed-window.js";
import { MissingRows } from "./missing.js";
import { keyParts } from "./order.js";
import { resetKey, type RowEvent } from "./row-event.js";
import type { Loading, Rows } from "./rows.js";

/** The collection whose rows change. */
export interface ChangesHost<Row> {
  /** Replaces the rows between two events. */
  change(change: (data: Loading<Row>) => Loading<Row>): void;
  /** Loads everything again. */
  reset(): void;
  /** Takes the transactions that the rows show now. */
  shown(xids: readonly string[]): void;
}

/** Applies events to the rows of a collection, and loads those whose events came without their data. */
export class RowChanges<Row extends object> {
  private readonly missing = new MissingRows();

  constructor(
    private readonly rows: Rows<Row>,
    private readonly host: ChangesHost<Row>,
  ) {}

  /** Whether rows are being loaded. */
  get isIncomplete(): boolean {
    return this.missing.size > 0;
  }

  apply(data: Loading<Row>, events: readonly RowEvent[]): Loading<Row> {
    const changes = new Map<string, Row | null>();
    const incomplete = new Map<string, (string | undefined)[]>(); // the transactions of rows to load, by key
    for (const event of events) {
      const key = event.op === "reset" ? resetKey(event) : event.key;
      if (event.op === undefined || key === undefined) continue; // of a later version, or everything is loaded again
      if (event.op === "reset" || (event.op !== "delete" && event.data === undefined)) {
        incomplete.set(key, [...(incomplete.get(key) ?? []), event.xid]);
        continue;
      }
      incomplete.delete(key);
      this.missing.end(key);
      changes.set(key, event.op === "delete" ? null : rowOf<Row>(event.data, data.description));
    }
    for (const [key, xids] of incomplete) this.fetchRow(key, xids, data);
    const window = changedWindow(data.window, changes);
    return window === data.window ? data : { ...data, window };
  }

  /** Loads a row whose event came without its data. A later event of the row is newer than what is loaded, or will be followed by one that is. */
  private fetchRow(key: string, xids: readonly (string | undefined)[], { description, load }: Loading<Row>): void {
    const signal = this.missing.begin(key, load, xids);
    loadRow(this.rows, key, description, signal).then(
      (row) => {
        if (signal.aborted) return;
        this.missing.end(key);
        const changes = new Map([[key, row]]);
        this.host.change((data) => (data.load === load ? { ...data, window: changedWindow(data.window, changes) } : data));
        this.settle([]);
      },
      () => {
        if (!signal.aborted) this.host.reset();
      },
    );
  }

  /** Records that the rows show what events changed, but for those that are being loaded. */
  settle(events: readonly RowEvent[]): void {
    this.host.shown(this.missing.settle(events.map(({ xid }) => xid)));
  }

  /** Drops what is being loaded for the rows of another load. */
  forgetOthers(load: number): void {
    this.missing.forgetOthers(load);
  }

  close(): void {
    this.missing.close();
  }
}

/** Returns the row in the data of an event, which may have further members. */
function rowOf<Row>(data: unknown, { fields }: Description): Row {
  const members = Object.keys(data as object);
  if (members.length <= fields.length) return data as Row;
  const names = new Set(fields.map((field) => field.name));
  return Object.fromEntries(Object.entries(data as object).filter(([name]) => names.has(name))) as Row;
}

/** Loads the row with a key; null if the collection has none that matches. Rejects if the filter cannot ask for a key. */
async function loadRow<Row extends object>({ api, query: { name, params } }: Rows<Row>, key: string, { key: columns, filter }: Description, signal: AbortSignal): Promise<Row | null> {
  const isFiltered = [...params.keys()].some((param) => param !== "order");
  if (!isFiltered) return api.row<Row>(name, key, signal);
  const parts = columns.length === 1 ? [key] : keyParts(key);
  const isExact = parts.every((part) => typeof part === "string" || Number.isSafeInteger(part));
  if (!isExact || columns.some((column) => !filter.some((field) => field.name === column))) {
    throw new StreamError("the filter cannot ask for a key", { kind: "setup" });
  }
  const one = new URLSearchParams(params);
  columns.forEach((column, i) => one.append(`where.${column}`, `eq.${parts[i]}`));
  one.set("limit", "1");
  const page = await api.page<Row>(name, one, signal);
  if (page.keys[0] !== key) return null;
  return page.rows[0] ?? api.row<Row>(name, key, signal);
}
