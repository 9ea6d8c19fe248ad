import { loadFollowing } from "../following.js";
import type { LoadedRows } from "./selection.js";
import { Snapshot } from "./snapshot.js";
import type { Api, Description, Page } from "./api.js";
import { Window, type Entry } from "./window.js";

/** The most rows of a page. */
const maxPage = 500;

/** What to load of a collection. */
export interface RowsQuery {
  name: string;
  /** The filter and the order, as parameters of a list. */
  params: URLSearchParams;
  limit: number;
}

/** What was loaded, and changed by the events since. */
export interface Loading<Row> {
  window: Window<Row>;
  description: Description;
  /** The number of the load. */
  load: number;
}

/** Loads the rows of a collection. */
export class Rows<Row extends object> {
  private loads = 0;

  constructor(
    readonly api: Api,
    readonly query: RowsQuery,
  ) {}

  /** The number of the last load that has begun. */
  get begun(): number {
    return this.loads;
  }

  /** Loads all pages. The cursor is that of the first: what was written between two pages comes as an event, unless the row shows it already. */
  async load(signal: AbortSignal): Promise<LoadedRows<Loading<Row>>> {
    const load = ++this.loads;
    const { name, limit } = this.query;
    const size = Window.size(limit);
    const described = this.api.describe(name, load > 1);
    described.catch(() => {}); // the page's error comes first
    const loaded = new Map<string, Row | null>();
    const later = new Map<string, Snapshot>(); // by key, for rows of other snapshots than the first page's
    let first: Page<Row> | undefined;
    let after: string | null = null;
    do {
      const params = new URLSearchParams(this.query.params);
      params.set("limit", String(Math.min(maxPage, size - loaded.size)));
      if (after !== null) params.set("after", after);
      const page = await this.api.page<Row>(name, params, signal);
      first ??= page;
      const seen = page.snapshot === first.snapshot ? null : new Snapshot(page.snapshot);
      page.keys.forEach((key, i) => {
        loaded.delete(key); // a row that moved between two pages comes again
        if (page.unreadable?.includes(key)) return; // nor can it be read by its key
        loaded.set(key, page.rows[i] ?? null);
        if (seen) later.set(key, seen);
      });
      after = page.next;
    } while (after !== null && loaded.size < size);
    const description = await described;
    const window = await this.window(loaded, after !== null, description, later.size === 0, signal);
    const { cursor, snapshot } = first;
    return { data: { window, description, load }, cursor, snapshot: new Snapshot(snapshot), later };
  }

  private async window(loaded: Map<string, Row | null>, hasNext: boolean, description: Description, isOfOneTime: boolean, signal: AbortSignal): Promise<Window<Row>> {
    const { name, limit, params } = this.query;
    const order = params.get("order") ?? "";
    const entries: Entry<Row>[] = [];
    let bound: Entry<Row> | null = null;
    for (const [key, row] of loaded) {
      if (row === null) isOfOneTime = false;
      const found = row ?? (await this.api.row<Row>(name, key, signal)); // too large for a list
      if (found === null) continue;
      const entry = { key, row: found };
      entries.push(entry);
      if (hasNext && (row !== null || bound === null)) bound = entry;
    }
    const isUncertain = hasNext && bound === null; // no row is left after which the list goes on
    const window = new Window(entries, bound, limit, description, order, isUncertain);
    if (isOfOneTime) return window; // the server has ordered it
    const { orderedWindow } = await loadFollowing();
    return orderedWindow(window);
  }
}
