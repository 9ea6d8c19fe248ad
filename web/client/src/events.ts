import type { AreChanges, EventsIn, RowChange } from "./changes.js";

/**
 * The types of everything that a pgherald server sends. `web/events_test.go` parses this file and
 * compares it with the server, so each member needs a line of its own.
 */

/** A table lost all its rows: fetch everything again. */
export interface TableTruncated {
  table: string;
}

/** Events are missing: fetch again what this names, or everything. Every client receives it, whatever it selects. */
export interface CollectionReset {
  /** The table whose rows to fetch; absent if only the type of the events is known. */
  table?: string;
  /** The key of the only row to fetch; absent if there may be others. */
  key?: string;
  /** The type of the event that could not be read. */
  type?: string;
  reason: string;
  sqlstate?: string;
}

export interface PresenceUpdated {
  userId: string;
  isOnline: boolean;
}

/** A control event: whether what the client has is still complete. */
export interface Sync {
  mode: "live" | "resumed" | "reset" | "stale" | "expired" | "draining";
  /** With stale: when the server last read the database, as in RFC 3339. */
  since?: string;
  /** The reason of a reset. */
  reason?: string;
  /** The number of missed events that follow, if the server knows it. */
  events?: number;
  /** Whether the missed events may include some that were received before. */
  repeats?: boolean;
  /** Identifies the stream when its token is renewed. */
  connection?: string;
  /** The time at which the stream's token expires, in Unix milliseconds. */
  expires?: number;
  /** The time between two heartbeats, in milliseconds. */
  heartbeat?: number;
}

export interface Heartbeat {}

/** The events of the log that every server may send, by type. */
export interface LogEvents {
  table_truncated: TableTruncated;
  collection_reset: CollectionReset;
  presence_updated: PresenceUpdated;
}

/** The control events, by type. They are not in the log. */
export interface StreamEvents {
  sync: Sync;
  heartbeat: Heartbeat;
}

/**
 * The types of your server, for everything that names none itself. Extend it once with what `pgherald types` prints:
 * `declare module "pgherald" { interface Register { collections: Collections; events: Events } }`.
 */
export interface Register {}

/** A map from event type to data. */
export type EventTypes = object;

/** The registered events of your tables; without any, events of every type. */
export type RegisteredEvents = Register extends { events: infer Events extends object } ? Events : Record<string, any>;

/** An event of a type. */
export interface EventEnvelope<Type extends string, Data> {
  /** The event's number in the log; absent from events that are not in the log. */
  id?: number;
  type: Type;
  data: Data;
  /** The time at which the row was written, by the database's clock, in Unix milliseconds. */
  timestamp: number;
}

/** An event, as a discriminated union over `type`. */
export type EventOf<Types> = {
  [Type in keyof Types & string]: EventEnvelope<Type, Types[Type]>;
}[keyof Types & string];

/** Every event that a listener can receive. */
export type PgheraldEvent<Events extends EventTypes = RegisteredEvents> = AreChanges<Events> extends true ? RowChange<EventsIn<Events> & object> : EventOf<LogEvents & Events>;

/** The types of events to select. */
export type EventName<Events extends EventTypes = RegisteredEvents> = keyof (LogEvents & EventsIn<Events>) & string;

/** The fields in the data of events. */
export type EventField<Events extends EventTypes = RegisteredEvents> = EventsIn<Events> extends infer Inner ? { [Type in keyof Inner]: keyof Inner[Type] }[keyof Inner] & string : never;

/** An event that is above the server's `--max-event-bytes` and arrived without its data: fetch the row. */
export interface OversizedEvent {
  id?: number;
  type: string;
  /** The key of the row; absent if the event has none or a long one. */
  key?: string;
  oversized: true;
  timestamp: number;
}

/** Facts about how an event arrived. */
export interface EventMeta {
  /** The cursor after the transaction, on the last event of each transaction; otherwise null. */
  cursor: string | null;
  /** The JSON text of the envelope, as the server sent it: `event` has lost digits of numbers beyond the precision of JavaScript. */
  raw: string;
  /** The time of arrival, by this machine's clock, in Unix milliseconds. */
  receivedAt: number;
  /** The event happened while the client was disconnected, and arrived with the catch-up. */
  replayed: boolean;
}

/** An envelope whose data is not checked. */
export interface Envelope {
  id?: number;
  type: string;
  data: unknown;
  /** True if the event arrived without its data. */
  oversized?: boolean;
  timestamp: number;
}
