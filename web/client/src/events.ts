/**
 * The types of everything that a pgherald server sends. `web/events_test.go` parses this file and
 * compares it with the server, so each member needs a line of its own.
 */

/** The fields that every event about an activity has. */
export interface ActivityFields {
  id: string;
  category: string;
  subcategory: string;
  location: string;
  status: string;
  reporter: string;
  assignedTo: string | null;
  /** The time of the change, in the format of `toISOString`. */
  timestamp: string;
}

/** The newest note about an activity. */
export interface LatestUpdate {
  notes: string;
  authorId: string;
  updateType: string;
}

export interface ActivityCreated extends ActivityFields {}

export interface ActivityUpdated extends ActivityFields {
  updateType: "status" | "assignment" | "general";
  latestUpdate: LatestUpdate | null;
}

/** The previous and the new assignee. A field is absent if the activity was or is unassigned. */
export interface AssignmentChanged extends ActivityFields {
  oldAssigneeId?: string;
  newAssigneeId?: string;
}

export interface ActivityDeleted {
  id: string;
  timestamp: string;
}

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
  mode: "live" | "resumed" | "reset" | "expired" | "draining";
  /** The reason of a reset. */
  reason?: string;
  /** The number of missed events that follow, if the server knows it. */
  events?: number;
  /** Identifies the stream when its token is renewed. */
  connection?: string;
  /** The time at which the stream's token expires, in Unix milliseconds. */
  expires?: number;
}

export interface Heartbeat {}

/** The events of the log, by type. */
export interface LogEvents {
  activity_created: ActivityCreated;
  activity_updated: ActivityUpdated;
  assignment_changed: AssignmentChanged;
  activity_deleted: ActivityDeleted;
  table_truncated: TableTruncated;
  collection_reset: CollectionReset;
  presence_updated: PresenceUpdated;
}

/** The control events, by type. They are not in the log. */
export interface StreamEvents {
  sync: Sync;
  heartbeat: Heartbeat;
}

/** A map from event type to data. Callers add the events of their own tables with it. */
export type EventTypes = object;

/** An event, as a discriminated union over `type`. */
export type EventOf<Types> = {
  [Type in keyof Types & string]: {
    /** The event's number in the log; absent from events that are not in the log. */
    id?: number;
    type: Type;
    data: Types[Type];
    /** The time at which the row was written, by the database's clock, in Unix milliseconds. */
    timestamp: number;
  };
}[keyof Types & string];

/** Every event that a listener can receive. `Custom` adds the types of your own tables. */
export type PgheraldEvent<Custom extends EventTypes = {}> = EventOf<LogEvents & Custom>;

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
  /** The JSON text of the envelope, unchanged. */
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
