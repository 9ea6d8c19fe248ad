import { type Line, ScriptedServer } from "./server.js";

/** A server with a log. A client receives the events after its cursor, and then the new ones. */
export class Log extends ScriptedServer {
  readonly events: { id: number; cursor?: string }[] = [];
  private served = new Map<Line, number>();

  get head(): string {
    return this.events.findLast((event) => event.cursor)?.cursor ?? "c0";
  }

  get connections(): number {
    return [...this.served.keys()].filter((line) => !line.aborted).length;
  }

  write(ids: number[]): void {
    for (const id of ids) this.events.push({ id, cursor: id === ids.at(-1) ? `c${id}` : undefined });
  }

  /** Sends pending events to the connected clients, at most `limit` to each. */
  serve(limit = Infinity): void {
    for (const line of this.lines) {
      if (line.aborted) {
        this.served.delete(line);
        continue;
      }
      let at = this.served.get(line);
      if (at === undefined) {
        at = line.cursor === null || line.cursor === "c0" ? (line.cursor === null ? this.events.length : 0) : this.events.findIndex((event) => event.cursor === line.cursor) + 1;
        line.sync(line.cursor === null ? { mode: "live" } : { mode: "resumed", events: this.events.length - at }, line.cursor ?? this.head);
      }
      const end = Math.min(this.events.length, at + limit);
      for (const event of this.events.slice(at, end)) line.event(event.id, event.cursor);
      this.served.set(line, end);
    }
  }

  beat(): void {
    for (const line of this.served.keys()) if (!line.aborted && this.served.get(line) === this.events.length) line.heartbeat(this.head);
  }

  cut(): void {
    for (const line of this.served.keys()) {
      if (!line.aborted) line.cut();
      line.aborted = true;
    }
  }
}
