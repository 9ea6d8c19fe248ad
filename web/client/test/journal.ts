import { type Line, ScriptedServer } from "./server.js";

/** An event of the log. */
export interface Logged {
  id: number;
  type: string;
  key?: string;
  data?: object;
}

/** A server with a log of transactions, whose streams and pages have selections of events. */
export class Journal extends ScriptedServer {
  readonly transactions: Logged[][] = [];
  /** How many transactions each line has been sent. */
  private readonly served = new Map<Line, number>();
  private ids = 0;
  /** How long a page takes. */
  pageDelay = 0;
  pages = 0;

  constructor() {
    super();
    this.page = async (url) => {
      this.pages++;
      const since = numberOf(url.searchParams.get("since")) ?? this.transactions.length;
      const to = this.transactions.length;
      if (this.pageDelay > 0) await new Promise((resolve) => setTimeout(resolve, this.pageDelay));
      const events = this.transactions.slice(since, to).flatMap((events) => events.flatMap((event) => this.forStream(event, url) ?? []));
      return Response.json({ events, cursor: `c${Math.max(since, to)}`, snapshot: `${Math.max(since, to) + 1}:${Math.max(since, to) + 1}:`, more: false });
    };
  }

  get connected(): Line[] {
    return this.lines.filter((line) => !line.aborted);
  }

  /** Writes a transaction with an event of each type. */
  write(...types: string[]): number[] {
    const events = types.map((type) => ({ id: ++this.ids, type }));
    this.transactions.push(events);
    return events.map(({ id }) => id);
  }

  /** Sends each connected client what it lacks; at most so many events of the last transaction. */
  serve(limit = Infinity): void {
    for (const line of this.connected) {
      const at = this.served.get(line) ?? this.open(line);
      let left = limit;
      for (let i = at; i < this.transactions.length && left > 0; i++) {
        const all = this.transactions[i]!.flatMap((event) => this.forStream(event, line.url) ?? []);
        const events = all.slice(0, left);
        left -= events.length;
        events.forEach((event, n) => line.send(event, n === all.length - 1 ? `c${i + 1}` : undefined));
        if (events.length === all.length) this.served.set(line, i + 1);
      }
    }
  }

  beat(): void {
    for (const line of this.connected) if (this.served.has(line)) line.heartbeat(`c${this.served.get(line)}`);
  }

  cut(): void {
    for (const line of this.connected) {
      line.cut();
      line.aborted = true;
    }
  }

  private open(line: Line): number {
    const at = numberOf(line.cursor) ?? this.transactions.length;
    line.sync({ mode: line.cursor === null ? "live" : "resumed", heartbeat: 8000 }, `c${at}`);
    this.served.set(line, at);
    return at;
  }

  private forStream({ id, type }: Logged, { searchParams }: URL): object | undefined {
    const event = { id, type, data: {}, timestamp: Date.now() };
    const q = [...searchParams].filter(([name, content]) => name.startsWith("q.") && selects(content, type)).map(([name]) => name.slice(2));
    if ([...searchParams.keys()].some((name) => name.startsWith("q."))) return q.length > 0 ? { ...event, q } : undefined;
    return selects(`events;${searchParams.has("types") ? `types=${searchParams.get("types")}` : ""}`, type) ? event : undefined;
  }
}

function selects(content: string, type: string): boolean {
  const [, types] = content.match(/types=([^;]*)/) ?? [];
  return types === undefined || decodeURIComponent(types).split(",").includes(type);
}

function numberOf(cursor: string | null): number | undefined {
  return cursor === null ? undefined : Number(cursor.slice(1));
}
