import { type Line, problem, ScriptedServer } from "./server.js";

export interface Row { id: number; status: string; n: number }

/** A server with a table, whose rows change one a transaction, and streams of selections. */
export class Table extends ScriptedServer {
  /** The rows after each transaction; its number is the index. */
  readonly versions: ReadonlyMap<number, Row>[] = [new Map()];
  readonly served = new Map<Line, number>();
  listDelay: () => number = () => 0;
  refuse: (content: string) => boolean = () => false;

  constructor() {
    super();
    this.list = async ({ pathname, searchParams }) => {
      const filter = [{ name: "id", kind: "integer", operators: [] }, { name: "status", kind: "text", operators: [] }];
      if (pathname === "/api/collections") return Response.json({ collections: [{ name: "rows", key: ["id"], fields: [...filter, { name: "n" }], filter }] });
      await wait(this.listDelay());
      if (this.refuse(`where.status=${searchParams.get("where.status")}`)) return problem(400, { detail: "where.status is bad" });
      const xid = this.versions.length - 1;
      const rows = select(this.versions[xid]!, searchParams.get("where.status"));
      const response = Response.json({ rows, keys: rows.map(({ id }) => String(id)), cursor: `c${xid}`, snapshot: `${xid + 1}:${xid + 1}:`, next: null });
      await wait(this.listDelay());
      return response;
    };
  }

  /** Answers the requests of pages of events with what came after a cursor. */
  override page = ({ searchParams }: URL): Response => {
    const [since, xid] = [Number(searchParams.get("since")!.slice(1)), this.versions.length - 1];
    const events = Array.from({ length: xid - since }, (_, i) => ({ id: since + 1 + i, type: "row", data: {}, timestamp: 1 }));
    return Response.json({ events, cursor: `c${xid}`, snapshot: `${xid + 1}:${xid + 1}:`, more: false });
  };

  get connected(): Line[] {
    return this.lines.filter((line) => !line.aborted);
  }

  write(row: Row | { id: number }): void {
    const next = new Map(this.versions.at(-1));
    if ("status" in row) next.set(row.id, row);
    else next.delete(row.id);
    this.versions.push(next);
  }

  /** Sends each connected client what it lacks. */
  serve(): void {
    for (const line of this.connected) {
      let at = this.served.get(line);
      if (at === undefined) {
        at = line.cursor === null ? this.versions.length - 1 : Number(line.cursor.slice(1));
        line.sync({ mode: line.cursor === null ? "live" : "resumed" }, `c${at}`);
      }
      while (++at < this.versions.length) this.send(line, at);
      this.served.set(line, at - 1);
    }
  }

  beat(): void {
    for (const line of this.connected) if (this.served.has(line)) line.heartbeat(`c${this.versions.length - 1}`);
  }

  cut(): void {
    for (const line of this.connected) {
      line.cut();
      line.aborted = true;
    }
  }

  /** Sends a client the events of a transaction, perhaps again. */
  send(line: Line, xid: number): void {
    const [before, after] = [this.versions[xid - 1]!, this.versions[xid]!];
    const id = [...new Set([...before.keys(), ...after.keys()])].find((id) => before.get(id) !== after.get(id))!;
    const ops: Record<string, { op: string }> = {};
    const events: string[] = []; // the selections of events
    for (const [name, content] of line.url.searchParams) {
      if (!name.startsWith("q.")) continue;
      if (content.startsWith("events")) events.push(name.slice(2));
      if (content.startsWith("events")) continue;
      const filter = content.includes("=") ? decodeURIComponent(content.split("=")[1]!) : null;
      const [was, is] = [before, after].map((rows) => rows.has(id) && select(new Map([[id, rows.get(id)!]]), filter).length > 0);
      if (was || is) ops[name.slice(2)] = { op: is ? (was ? "update" : "insert") : "delete" };
    }
    const q = [...Object.keys(ops), ...events];
    if (q.length === 0) return;
    line.send({ id: xid, type: "row", collection: "rows", q, ops, key: String(id), xid: String(xid), data: after.get(id), timestamp: 1 }, `c${xid}`);
  }
}

export function select(rows: ReadonlyMap<number, Row>, filter: string | null): Row[] {
  const wanted = filter?.replace(/^in\.\(|\)$/g, "").replace(/^eq\./, "").split(",");
  return [...rows.values()].filter(({ status }) => !wanted || wanted.includes(status)).sort((a, b) => a.id - b.id);
}

const wait = (milliseconds: number) => milliseconds === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Reports whether the last transaction has changed nothing. */
export function isSameVersion(versions: readonly ReadonlyMap<number, Row>[]): boolean {
  return JSON.stringify([...versions.at(-1)!].sort()) === JSON.stringify([...versions.at(-2)!].sort());
}
