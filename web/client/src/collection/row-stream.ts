import type { EventMeta } from "../events.js";
import { Memory } from "../memory.js";
import type { ConnectionOptions } from "../options.js";
import { groupOf } from "../shared/group.js";
import type { SharedSelections } from "../shared/selections.js";
import type { StreamStatus } from "../source.js";
import { loadSharing, sourceOf } from "../sources.js";
import { Stream } from "../stream.js";
import { Transactions } from "../transactions.js";
import { sharedSelections } from "./lazy-selections.js";
import type { RowEvent } from "./row-event.js";
import type { Selection } from "./selection.js";
import type { Snapshot } from "./snapshot.js";

/** The most selections of a stream, and the most bytes of them, encoded. The server allows 16 and 16 KiB. */
const mostSelections = 16;
const mostBytes = 12_000;

/** The most bytes of what tabs share: nginx and others take 8 KiB of a request line, with the cursor, unless they are set up for more. */
const mostSharedBytes = 5_000;

/** How long the stream waits for further selections before it changes, in milliseconds, and for others in place of those that left. */
const joinDelay = 10;
const leaveDelay = 1000;

/** How long the tab with the connection keeps it after a change, in milliseconds: the others open the next one meanwhile, and none of them takes over the old one. */
const leadDelay = 100;

/** Reports whether one stream can have all these selections. */
function fit(contents: readonly string[], most: number): boolean {
  return contents.length <= mostSelections && encodeURIComponent(contents.join()).length < most;
}

/** The statuses of a server or proxy that takes none of the selections because of some: one is wrong, or they are too long. */
const refusals: readonly unknown[] = [400, 414, 431];

/** The streams of a client's collections: one, unless there are too many. */
export class RowStreams {
  private readonly all = new Set<RowStream>();

  constructor(private readonly options: ConnectionOptions) {}

  join(selection: Selection<any>): RowStream {
    const line = [...this.all].find((line) => line.hasRoomFor(selection)) ?? this.add();
    line.join(selection);
    return line;
  }

  add(isAlone = false): RowStream {
    const line = new RowStream(this.options, this, isAlone);
    this.all.add(line);
    return line;
  }

  delete(line: RowStream): void {
    this.all.delete(line);
  }
}

/**
 * One stream for the selections of several collections. It begins at the cursor of the first list, or of the oldest of
 * those that came together. Another set of selections is another connection at the same cursor. A list of a new selection
 * is read after that cursor is known, so that it lacks nothing from before; what it contains already is skipped.
 *
 * Where tabs share streams, it has what other tabs want as well: then theirs is the same.
 */
export class RowStream {
  private readonly selections = new Set<Selection<any>>();
  private readonly loaded = new Map<Selection<any>, string>(); // cursors of the lists, before the stream has begun
  private stream: Stream<any> | undefined;
  private contents: readonly string[] = []; // of the stream, by name
  private tabs: SharedSelections | undefined;
  private isShared: boolean; // with other tabs
  private shared: readonly string[] = []; // what all tabs want
  private yielding: ReturnType<typeof setTimeout> | undefined;
  private refused = ""; // such contents, of which the server refuses one
  private start: Snapshot | undefined; // what the list contains at whose cursor the stream has begun
  private wasOpen = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly received = new Memory(); // also on earlier streams, which no later one knows of
  private readonly transactions = new Transactions<RowEvent>((event, meta) => this.deliver(event, meta));

  constructor(
    private readonly options: ConnectionOptions,
    private readonly streams: RowStreams,
    /** Whether it is for selections of which the server refuses one with others. */
    private readonly isAlone: boolean,
  ) {
    const group = isAlone ? null : groupOf(options);
    this.isShared = group !== null;
    if (group !== null) void this.share(group);
  }

  /** The status of the stream. A change of the selections does not show. */
  get status(): StreamStatus {
    const status = this.stream?.status ?? "connecting";
    if (status !== "connecting" || !this.wasOpen) return status;
    return this.stream?.error ? "reconnecting" : "open";
  }

  get error(): Error | null {
    return this.stream?.error ?? null;
  }

  hasRoomFor({ content }: Selection<any>): boolean {
    const contents = this.wanted();
    if (this.isAlone) return false;
    if (contents.includes(content)) return true;
    return fit([...contents, content], mostBytes);
  }

  join(selection: Selection<any>): void {
    this.selections.add(selection);
    if (this.isShared && this.stream) this.schedule(joinDelay);
    else if (this.isShared) this.update();
    this.prepare(selection);
  }

  /** Lets the selection load as soon as the stream has it. */
  prepare(selection: Selection<any>): void {
    if (!this.stream) selection.begin(true);
    else if (this.contents.includes(selection.content)) selection.begin(false);
    else this.schedule(joinDelay);
  }

  /** Reports whether a list has everything from before the stream. */
  accepts({ isEarly }: Selection<any>, list: Snapshot): boolean {
    return !isEarly || !this.start || list.covers(this.start);
  }

  onLoaded(selection: Selection<any>, cursor: string): void {
    if (this.stream) return this.stream.connect();
    this.loaded.set(selection, cursor);
    if (this.loaded.size === this.selections.size) this.open();
    else this.schedule(joinDelay);
  }

  leave(selection: Selection<any>): void {
    this.selections.delete(selection);
    this.loaded.delete(selection);
    if (this.selections.size > 0) return this.schedule(this.stream ? leaveDelay : joinDelay);
    clearTimeout(this.timer);
    clearTimeout(this.yielding);
    this.timer = this.yielding = undefined;
    this.tabs?.close();
    this.close();
    this.streams.delete(this);
  }

  private close(): void {
    const { stream } = this;
    this.stream = undefined; // what it reports concerns no selection
    this.transactions.clear();
    stream?.close();
  }

  private wanted(): string[] {
    return [...new Set([...this.selections].map(({ content }) => content))].sort();
  }

  /** Changes the stream soon. A change that is due sooner remains. */
  private schedule(delay: number): void {
    if (delay === joinDelay) clearTimeout(this.timer);
    else if (this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      if (this.stream) this.update();
      else this.open();
    }, delay);
  }

  /** Begins at the cursor of the oldest list, so that none of those that came lacks anything. */
  private open(): void {
    const [first] = [...this.loaded].sort(([a], [b]) => Number(a.snapshot!.covers(b.snapshot!)) - Number(b.snapshot!.covers(a.snapshot!)));
    if (!first) return; // the others are being loaded
    const wanted = this.wanted();
    if (this.isShared && !includesAll(this.shared, wanted)) return; // until it is known what the other tabs want
    this.start = first[0].snapshot;
    this.loaded.clear();
    this.connect(first[1], this.isShared ? this.shared : wanted);
  }

  /** Lets the other tabs know what is wanted here. */
  private async share(group: string): Promise<void> {
    loadSharing().catch(() => {}); // which the stream needs then, and tries again
    try {
      const tabs = await sharedSelections(this.options, group, (contents) => fit(contents, mostSharedBytes), (contents) => this.follow(contents));
      if (this.selections.size > 0) this.tabs = tabs;
      else tabs.close();
    } catch {
      this.isShared = false; // the code could not be loaded
    }
    this.update();
  }

  /** Lets the stream have what is wanted now. */
  private update(): void {
    if (!this.isShared) this.follow(this.wanted());
    else this.tabs?.want(this.wanted()); // which calls follow
  }

  /** Lets the stream have these selections. */
  private follow(contents: readonly string[]): void {
    const wanted = this.wanted();
    if (!includesAll(contents, wanted)) return this.update(); // more is wanted meanwhile
    this.shared = contents.join() === this.refused ? wanted : contents;
    if (!this.stream) return this.timer === undefined ? this.open() : undefined;
    if (this.stream.stats.role !== "leader") return this.adopt();
    this.yielding ??= setTimeout(() => this.adopt(), leadDelay);
  }

  private adopt(): void {
    this.yielding = undefined;
    if (!this.stream || !includesAll(this.shared, this.wanted())) return this.update();
    const waiting = [...this.selections].filter((selection) => selection.isWaiting);
    const isClosed = this.stream.status === "closed" && waiting.length === 0; // by a fatal error
    if (this.shared.join() !== this.contents.join() && !isClosed) this.change(this.shared);
    for (const selection of waiting) selection.begin(false);
  }

  private change(contents: readonly string[]): void {
    const cursor = this.stream!.lastEventId;
    this.close();
    this.connect(cursor, contents);
  }

  private connect(since: string | null, contents: readonly string[]): void {
    this.contents = contents;
    const stream = new Stream<any>({ ...this.options, since, selections: this.contents }, sourceOf);
    this.stream = stream;
    const toAll = (change: (selection: Selection<any>) => void) => this.stream === stream && this.selections.forEach(change);
    const add = (event: RowEvent, meta: EventMeta) => this.stream === stream && this.transactions.add(event, meta);
    const changed = () => toAll((selection) => selection.changed());
    stream.on("*", add);
    stream.onOversized(add);
    stream.onDuplicate((cursor, id) => this.stream === stream && this.transactions.repeat(cursor, id));
    const reset = () => {
      if (this.stream !== stream) return;
      this.transactions.clear();
      this.received.clear();
      toAll((selection) => selection.reset());
    };
    // A heartbeat within a transaction says nothing about it.
    stream.on("heartbeat", () => this.transactions.isEmpty && toAll((selection) => selection.onHeartbeat()));
    stream.on("sync", ({ data }) => data.repeats && data.mode !== "reset" && this.received.hasForgotten && reset());
    stream.onReset(reset);
    stream.onStatus((status) => {
      if (status === "open" || status === "stale") this.wasOpen = true;
      changed();
    });
    stream.onError((error) => {
      if (this.stream === stream && refusals.includes(error.status) && this.contents.length > 1) this.onRefusal();
      else changed();
    });
    stream.connect();
  }

  private deliver(event: RowEvent, meta: EventMeta): void {
    if (event.id !== undefined && !this.received.add(event.id)) return;
    const { q, ops } = event;
    for (const selection of this.selections) {
      const name = String(this.contents.indexOf(selection.content));
      if (q && !q.includes(name)) continue;
      selection.receive(ops?.[name] ? { ...event, ...ops[name] } : event, meta);
    }
  }

  /** Leaves the other tabs, since the server may refuse what one of them wants, and otherwise splits. */
  private onRefusal(): void {
    const wanted = this.wanted();
    if (this.contents.join() === wanted.join()) return this.split();
    this.refused = this.contents.join();
    this.shared = wanted;
    this.change(wanted);
  }

  /** Gives selections streams of their own, since the server refuses one of them: those without a list, or all but one. */
  private split(): void {
    const cursor = this.stream!.lastEventId;
    this.close();
    const [, ...others] = this.selections;
    const isDoubtful = [...this.selections].filter(({ snapshot }) => !snapshot);
    const moved = isDoubtful.length > 0 && isDoubtful.length < this.selections.size ? isDoubtful : others;
    for (const selection of moved) this.selections.delete(selection);
    this.connect(cursor, this.wanted());
    if (this.isShared) this.update();
    for (const selection of moved) {
      const line = this.streams.add(true);
      line.selections.add(selection);
      selection.move(line);
    }
  }
}

function includesAll(contents: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((content) => contents.includes(content));
}
