import { Api, apiURL } from "./collection/api.js";
import type { AwaitXidOptions } from "./collection/arrivals.js";
import { RowCollection, type Collection, type CollectionOptions } from "./collection/collection.js";
import { LazyRowStreams } from "./collection/lazy-row-streams.js";
import type { Changes } from "./changes.js";
import { Emitter } from "./emitter.js";
import type { EventTypes, Register, RegisteredEvents } from "./events.js";
import { lazyStream } from "./lazy-stream.js";
import { checkOptions, type ConnectionOptions, type Selection } from "./options.js";
import { groupOf } from "./shared/group.js";
import type { StreamStatus } from "./source.js";
import type { ChangeStreamOptions, EventStream, EventStreamOptions } from "./stream.js";

/** The address of a server, and how to connect to it. */
export interface ClientOptions extends Omit<ConnectionOptions, Exclude<keyof Selection, "user"> | "since" | "url"> {
  /** The server's address, absolute or relative to the page, with the path before `/api` if it has one. Default "/", the page's origin. */
  url?: string | URL;
}

/** The registered rows of each collection; without any, collections of every name. */
export type RegisteredCollections = Register extends { collections: infer Collections extends object } ? Collections : Record<string, Record<string, unknown>>;

/** The rows of a collection by its name; of unknown ones any object. */
export type RowOf<Schema, Name> = Name extends keyof Schema ? Schema[Name] & object : Record<string, unknown>;

/** A name of any collection, where the caller names the type of its rows. */
export type Named<Row> = [Row] extends [never] ? never : string;

/** The filter of a client's stream, and its listeners. */
export type EventsOptions<Events extends EventTypes = RegisteredEvents> = Omit<EventStreamOptions<Events>, keyof ClientOptions>;

/** The filter of a client's stream of what changes the rows of a collection, and its listeners. */
export type ChangesOptions<Events extends EventTypes = RegisteredEvents> = Omit<ChangeStreamOptions<Events>, keyof ClientOptions>;

/** The state of a client's connections. It is the same object until something changes. */
export interface ClientStatus {
  /** The worst of the collections and streams: reconnecting, connecting, stale or open; closed if none is running. */
  readonly status: StreamStatus;
  /** The error of one of them. */
  readonly error: Error | null;
}

/** A client of one server. `Schema` has the row of each collection, and `Events` the data of each type of event, as `pgherald types` prints them. */
export interface Client<Schema extends object = RegisteredCollections, Events extends EventTypes = RegisteredEvents> {
  /** Loads the rows of a collection and keeps them equal to the database. Throws a TypeError for a filter that cannot be. */
  collection<Name extends keyof Schema & string>(name: Name, options?: CollectionOptions<RowOf<Schema, Name>>): Collection<RowOf<Schema, Name>>;
  collection<Row extends object = never>(name: Named<Row>, options?: CollectionOptions<NoInfer<Row>>): Collection<Row>;
  /** Opens a stream of events. */
  events<Other extends EventTypes = Events>(options: ChangesOptions<Other>): EventStream<Changes<Other>>;
  events<Other extends EventTypes = Events>(options?: EventsOptions<Other>): EventStream<Other>;
  /**
   * Resolves when every running collection shows the transaction with this number, which `pgherald.xid()` gives its writer.
   * Call it after the transaction has committed. Rejects after `timeout` milliseconds, by default 90000.
   */
  awaitXid(xid: string, options?: AwaitXidOptions): Promise<void>;
  /** Loads every running collection again. Resolves when they are loaded, or have given up. */
  refetch(): Promise<void>;
  getStatus(): ClientStatus;
  /** Calls the listener after the status changed. Returns a function that removes it. */
  subscribe(listener: () => void): () => void;
  /** Closes the collections and streams. They can be started again. */
  close(): void;
}

/** A collection or a stream. */
interface Part {
  /** From its start until it is closed, also after a fatal error. */
  readonly isRunning: boolean;
  readonly status: StreamStatus;
  readonly error: Error | null;
  close(): void;
}

const ranks: readonly StreamStatus[] = ["closed", "open", "stale", "connecting", "reconnecting"];

/** Creates a client. It connects when a collection or a stream is opened. */
export function createClient<Schema extends object = RegisteredCollections, Events extends EventTypes = RegisteredEvents>(
  options: ClientOptions = {},
): Client<Schema, Events> {
  return new ClientOf(options) as Client<Schema, any>;
}

class ClientOf {
  private readonly api: Api;
  private readonly streams: LazyRowStreams;
  private readonly stream: ClientOptions;
  private readonly parts = new Set<Part>();
  private readonly changes = new Emitter<[]>();
  private status: ClientStatus = { status: "closed", error: null };

  constructor(options: ClientOptions) {
    checkOptions(options);
    groupOf(options); // throws as well
    this.api = new Api(options);
    this.stream = { ...options, url: apiURL(options.url, "events") };
    this.streams = new LazyRowStreams(this.stream);
  }

  collection(name: string, options: CollectionOptions<any> = {}): Collection<any> {
    const changed = () => this.onChange(collection);
    const collection: RowCollection<any> = new RowCollection<any>(name, this.api, this.streams, this.stream, { ...options, autoStart: false }, changed);
    if ((options.autoStart ?? true) && !options.signal?.aborted) collection.start();
    return collection;
  }

  events(options: EventsOptions<any> = {}): EventStream<any> {
    const stream = lazyStream({ ...options, ...this.stream }, (code) => this.streams.sourceOf(code));
    stream.onChange(() => this.onChange(stream));
    if ((options.autoConnect ?? true) && !options.signal?.aborted) stream.connect();
    return stream;
  }

  async awaitXid(xid: string, options: AwaitXidOptions = {}): Promise<void> {
    await Promise.all(this.collections().map((collection) => collection.awaitXid(xid, options)));
  }

  async refetch(): Promise<void> {
    await Promise.all(this.collections().map((collection) => collection.refetch()));
  }

  getStatus(): ClientStatus {
    return this.status;
  }

  subscribe(listener: () => void): () => void {
    return this.changes.on("", listener);
  }

  close(): void {
    for (const part of this.parts) part.close();
    this.parts.clear();
    this.update();
  }

  private collections(): RowCollection<any>[] {
    return [...this.parts].filter((part) => part instanceof RowCollection);
  }

  private onChange(part: Part): void {
    if (part.isRunning) this.parts.add(part);
    else this.parts.delete(part);
    this.update();
  }

  private update(): void {
    const all = [...this.parts];
    const rank = Math.max(0, ...all.map(({ status }) => ranks.indexOf(status)));
    const next = { status: ranks[rank]!, error: all.find(({ error }) => error)?.error ?? null };
    if (next.status === this.status.status && next.error === this.status.error) return;
    this.status = next;
    this.changes.emit("");
  }
}
