import type { RowEvent } from "../collection/row-event.js";
import type { Selection } from "../collection/selection.js";
import type { EventMeta } from "../events.js";
import { Memory } from "../memory.js";
import type { Stream } from "../stream.js";
import { Transactions } from "../transactions.js";
import { rowEventFor } from "./event-for.js";

/** The selections of rows that a line has, which follow its stream. They take whole transactions. */
export class LineRows extends Set<Selection<any>> {
  private stream: Stream<any> | undefined;
  private contents: readonly string[] = [];
  private readonly received = new Memory(); // also on earlier streams, which no later one knows of
  private readonly transactions = new Transactions<RowEvent>((event, meta) => this.deliver(event, meta));

  /** Follows another stream of the line. */
  follow(stream: Stream<any>, contents: readonly string[]): void {
    this.stream = stream;
    this.contents = contents;
    const add = (event: RowEvent, meta: EventMeta) => this.stream === stream && this.transactions.add(event, meta);
    stream.on("*", add);
    stream.onOversized(add);
    stream.onDuplicate((cursor, id) => this.stream === stream && this.transactions.repeat(cursor, id));
    // A heartbeat within a transaction says nothing about it.
    stream.on("heartbeat", () => this.stream === stream && this.transactions.isEmpty && this.forEach((selection) => selection.onHeartbeat()));
    stream.on("sync", ({ data }) => data.repeats && data.mode !== "reset" && this.received.hasForgotten && this.reset(stream));
    stream.onReset(() => this.reset(stream));
  }

  close(): void {
    this.stream = undefined;
    this.transactions.clear();
  }

  changed(): void {
    for (const selection of this) selection.changed();
  }

  private reset(stream: Stream<any>): void {
    if (this.stream !== stream) return;
    this.transactions.clear();
    this.received.clear();
    for (const selection of this) selection.reset();
  }

  private deliver(event: RowEvent, meta: EventMeta): void {
    if (event.id !== undefined && !this.received.add(event.id)) return;
    for (const selection of this) {
      const name = String(this.contents.indexOf(selection.content));
      if (!event.q || event.q.includes(name)) selection.receive(rowEventFor(event, name), meta);
    }
  }
}
