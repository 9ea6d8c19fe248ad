/** A server with one collection, `orders`, in memory: its lists and its streams. */
export class OrdersServer {
  readonly rows = new Map<number, Order>();
  /** The paths of the requests for lists. */
  readonly lists: string[] = [];
  /** Holds back the events of writes while it is true. */
  isSlow = false;
  /** The response of the next list, such as an error. */
  nextList: Response | undefined;
  nextStream: Response | undefined;
  private readonly streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  private held: object[] = [];
  private last = 0;

  get openStreams(): number {
    return this.streams.size;
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const url = new URL(String(input));
    if (url.pathname === "/api/events") return this.stream(init?.signal, url.searchParams.has("since"));
    if (url.pathname === "/api/collections") {
      const fields = ["id", "status", "note"].map((name) => ({ name, type: "text", nullable: false }));
      return Response.json({ collections: [{ name: "orders", key: ["id"], fields, filter: [{ name: "id", kind: "integer", operators: [] }] }] });
    }
    this.lists.push(url.pathname + decodeURIComponent(url.search));
    const failure = this.nextList;
    this.nextList = undefined;
    const rows = [...this.rows.values()].sort((a, b) => a.id - b.id);
    return failure ?? Response.json({ rows, keys: rows.map(({ id }) => String(id)), cursor: `c${this.last}`, next: null });
  };

  /** Writes rows in one transaction and returns its number. Null deletes a row. */
  write(changes: Record<number, Omit<Order, "id"> | null>): string {
    const xid = String(700 + ++this.last);
    const events = Object.entries(changes).map(([key, values]) => {
      const op = values === null ? "delete" : this.rows.has(Number(key)) ? "update" : "insert";
      const row = { id: Number(key), ...values };
      if (values === null) this.rows.delete(row.id);
      else this.rows.set(row.id, row as Order);
      return { id: this.last * 100 + Number(key), type: `orders_${op}`, collection: "orders", op, key, xid, data: row, timestamp: 1 };
    });
    events.forEach((event, i) => this.held.push({ event, id: i === events.length - 1 ? `c${this.last}` : undefined }));
    if (!this.isSlow) this.release();
    return xid;
  }

  /** Sends the events that were held back. */
  release(): void {
    const held = this.held.splice(0) as { event: object; id?: string }[];
    for (const { event, id } of held) this.send(event, id);
  }

  send(event: object, id?: string): void {
    const bytes = new TextEncoder().encode(`${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(event)}\n\n`);
    for (const stream of this.streams) stream.enqueue(bytes);
  }

  /** Ends the streams. */
  end(): void {
    for (const stream of this.streams) stream.close();
    this.streams.clear();
  }

  private stream(signal: AbortSignal | null | undefined, isResumed: boolean): Response {
    const failure = this.nextStream;
    this.nextStream = undefined;
    if (failure) return failure;
    let self!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        self = controller;
        this.streams.add(controller);
        const sync = { type: "sync", data: isResumed ? { mode: "resumed", events: 0 } : { mode: "live" }, timestamp: 1 };
        controller.enqueue(new TextEncoder().encode(`id: c${this.last}\ndata: ${JSON.stringify(sync)}\n\n`));
      },
      cancel: () => void this.streams.delete(self),
    });
    signal?.addEventListener("abort", () => this.streams.delete(self) && self.error(signal.reason));
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }
}

export interface Order {
  id: number;
  status: string;
  note: string;
}
