import type { StreamError } from "../errors.js";
import type { ConnectionOptions } from "../options.js";
import { groupOf } from "../shared/group.js";
import type { SharedSelections } from "../shared/selections.js";
import type { StreamStatus } from "../source.js";
import { loadSharing, sourceOf } from "../sources.js";
import type { EventSelection } from "../selections/event-selection.js";
import { LineEvents } from "../selections/line-events.js";
import { LineRows } from "../selections/line-rows.js";
import type { Role } from "../stats.js";
import { Stream } from "../stream.js";
import { sharedSelections } from "./lazy-selections.js";
import { isRefusal, refusedContents } from "./refusals.js";
import { fit, includesAll, mostBytes, mostSharedBytes } from "./room.js";
import type { RowStreams } from "./row-streams.js";
import type { Selection } from "./selection.js";
import type { Snapshot } from "./snapshot.js";

/** How long the stream waits for further selections before it changes, in milliseconds, and for others in place of those that left. */
const joinDelay = 10;
const leaveDelay = 1000;

/** How long streams of events wait for the first list of those that they share with, in milliseconds. */
const listDelay = 1000;

/** How long the tab with the connection keeps it after a change, in milliseconds: the others open the next one meanwhile, and none of them takes over the old one. */
const leadDelay = 100;

/**
 * One stream for the selections of several collections and streams of events. It begins at the cursor of the first list, or of the oldest of
 * those that came together. Another set of selections is another connection at the same cursor. A list of a new selection
 * is read after that cursor is known, so that it lacks nothing from before; what it contains already is skipped.
 *
 * Where tabs share streams, it has what other tabs want as well: then theirs is the same.
 */
export class RowStream {
  private readonly selections = new LineRows();
  private readonly events = new LineEvents();
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
  private listTimer: ReturnType<typeof setTimeout> | undefined;
  private isLate = false; // to wait for a list

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

  get role(): Role {
    return this.stream?.stats.role ?? "own";
  }

  get retryAt(): number | null {
    return this.stream?.stats.retryAt ?? null;
  }

  reconnect(): void {
    this.stream?.reconnect();
  }

  hasRoomFor(content: string): boolean {
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

  joinEvents(selection: EventSelection): void {
    this.events.add(selection);
    this.stream?.connect(); // again after a fatal error
    if (this.stream && this.contents.includes(selection.content)) return this.events.joinRunning();
    if (!this.stream && this.selections.size > 0) this.waitForLists();
    if (this.isShared && !this.stream) this.update();
    this.schedule(joinDelay);
  }

  private waitForLists(): void {
    this.listTimer ??= setTimeout(() => {
      this.isLate = true;
      this.open();
    }, listDelay);
  }

  leaveEvents(selection: EventSelection): void {
    if (this.events.delete(selection)) this.onLeft();
  }

  /** Gives each stream of events a connection of its own. */
  separateEvents(error?: StreamError): void {
    for (const selection of this.events) selection.separate(error);
  }

  /** Lets the selection load as soon as the stream has it. */
  prepare(selection: Selection<any>): void {
    if (!this.stream) selection.begin(true);
    else if (this.contents.includes(selection.content)) selection.begin(false);
    else this.schedule(joinDelay);
  }

  /** Reports whether a list has everything from before the stream. */
  accepts({ isEarly }: Selection<any>, list: Snapshot): boolean {
    return !isEarly || !this.stream || (!!this.start && list.covers(this.start));
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
    this.onLeft();
  }

  private onLeft(): void {
    if (this.selections.size + this.events.size > 0) return this.schedule(this.stream ? leaveDelay : joinDelay);
    for (const timer of [this.timer, this.yielding, this.listTimer]) clearTimeout(timer);
    this.timer = this.yielding = this.listTimer = undefined;
    this.tabs?.close();
    this.close();
    this.streams.delete(this);
  }

  private close(): void {
    const { stream } = this;
    this.stream = undefined; // what it reports concerns no selection
    this.events.close();
    this.selections.close();
    stream?.close();
  }

  private wanted(): string[] {
    return [...new Set([...this.selections, ...this.events].map(({ content }) => content))].sort();
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

  /** Begins at the cursor of the oldest list, so that none of those that came lacks anything. Streams of events alone wait for none. */
  private open(): void {
    if (this.stream) return;
    const [first] = [...this.loaded].sort(([a], [b]) => Number(a.snapshot!.covers(b.snapshot!)) - Number(b.snapshot!.covers(a.snapshot!)));
    if (!first && (this.events.size === 0 || (this.selections.size > 0 && !this.isLate))) return; // lists are being loaded
    const wanted = this.wanted();
    if (this.isShared && !includesAll(this.shared, wanted)) return; // until it is known what the other tabs want
    this.start = first?.[0].snapshot;
    this.loaded.clear();
    this.connect(first ? first[1] : this.events.since, this.isShared ? this.shared : wanted);
  }

  /** Lets the other tabs know what is wanted here. */
  private async share(group: string): Promise<void> {
    loadSharing().catch(() => {}); // which the stream needs then, and tries again
    try {
      const tabs = await sharedSelections(this.options, group, (contents) => fit(contents, mostSharedBytes), (contents) => this.follow(contents));
      if (this.selections.size + this.events.size > 0) this.tabs = tabs;
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
    const isClosed = this.stream.status === "closed" && waiting.length === 0 && !this.events.isWaiting; // by a fatal error
    if (this.shared.join() !== this.contents.join() && !isClosed) this.change(this.shared);
    else this.events.joinRunning();
    for (const selection of waiting) selection.begin(false);
  }

  private change(contents: readonly string[]): void {
    const cursor = this.stream!.lastEventId;
    this.close();
    this.connect(cursor, contents);
  }

  private connect(since: string | null, contents: readonly string[]): void {
    clearTimeout(this.listTimer);
    this.contents = contents;
    const stream = new Stream<any>({ ...this.options, since, selections: this.contents }, sourceOf);
    this.stream = stream;
    const ifCurrent = (action: () => void) => this.stream === stream && action();
    const changed = () => {
      this.selections.changed();
      ifCurrent(() => this.events.changed());
    };
    this.events.follow(stream, contents, since);
    this.selections.follow(stream, contents);
    stream.onStatus((status) => {
      if (status === "open" || status === "stale") this.wasOpen = true;
      ifCurrent(changed);
    });
    stream.onError((error) => ifCurrent(() => this.onError(error)));
    stream.connect();
  }

  private onError(error: StreamError): void {
    if (isRefusal(error, this.contents, this.events.size > 0)) return this.onRefusal(error);
    this.selections.changed();
    this.events.failed(error);
  }

  /** Leaves the other tabs, since the server may refuse what one of them wants, and otherwise splits. */
  private onRefusal(error: StreamError): void {
    const wanted = this.wanted();
    if (this.contents.join() !== wanted.join()) {
      this.refused = this.contents.join();
      this.shared = wanted;
      return this.change(wanted);
    }
    const named = refusedContents(error, this.contents);
    const separate = this.events.doubtful(named);
    if (separate.length === 0) return this.split(named);
    const cursor = this.stream!.lastEventId;
    this.close();
    for (const selection of separate) selection.separate(error);
    if (this.selections.size + this.events.size > 0) this.connect(cursor, this.wanted());
  }

  /** Gives selections streams of their own, since the server refuses one of them: that one, those without a list, or all but one. */
  private split(named: readonly string[]): void {
    const cursor = this.stream!.lastEventId;
    this.close();
    const [, ...others] = this.selections;
    const isNamed = [...this.selections].filter(({ content }) => named.includes(content));
    const isDoubtful = isNamed.length > 0 ? isNamed : [...this.selections].filter(({ snapshot }) => !snapshot);
    const moved = isDoubtful.length > 0 && isDoubtful.length < this.selections.size + this.events.size ? isDoubtful : others;
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
