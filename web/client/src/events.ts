/**
 * What a pgherald server sends. `web/events_test.go` reads this file and fails when the server
 * says something else: keep one member a line.
 */

/** What every event about an activity shows. */
export interface ActivityFields {
  id: string;
  category: string;
  subcategory: string;
  location: string;
  status: string;
  reporter: string;
  assignedTo: string | null;
  /** When the change was made, as `toISOString` writes it. */
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

/** Who was assigned and who is; each absent when there was or is nobody. */
export interface AssignmentChanged extends ActivityFields {
  oldAssigneeId?: string;
  newAssigneeId?: string;
}

export interface ActivityDeleted {
  id: string;
  timestamp: string;
}

/** All rows of a table are gone: fetch everything anew. */
export interface TableTruncated {
  table: string;
}

export interface PresenceUpdated {
  userId: string;
  isOnline: boolean;
}

/** Said by the stream itself: what may be believed about what you have. */
export interface Sync {
  mode: "live" | "resumed" | "reset" | "expired" | "draining";
  /** Why a reset was needed. */
  reason?: string;
  /** How many missed events follow, where that is known. */
  events?: number;
  /** Names the stream for the renewal of its token. */
  connection?: string;
  /** When the stream's token expires, in Unix milliseconds. */
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
  presence_updated: PresenceUpdated;
}

/** The events of the stream itself, by type. They are in no log. */
export interface StreamEvents {
  sync: Sync;
  heartbeat: Heartbeat;
}

/** A map from event type to its data; what a caller adds for the events of their own tables. */
export type EventTypes = object;

/** One event as a discriminated union over `type`. */
export type EventOf<Types> = {
  [Type in keyof Types & string]: {
    /** The event's number in the log; absent on events that are in no log. */
    id?: number;
    type: Type;
    data: Types[Type];
    /** When the row was written, by the database's clock, in Unix milliseconds. */
    timestamp: number;
  };
}[keyof Types & string];

/** Every event that a listener can hear. `Custom` adds the types of your own tables. */
export type PgheraldEvent<Custom extends EventTypes = {}> = EventOf<LogEvents & Custom>;

/** What came with an event. */
export interface EventMeta {
  /** On the last event of a transaction the cursor after it, otherwise null. */
  cursor: string | null;
  /** The envelope as it came: one JSON text. */
  raw: string;
  /** When it came, by this machine's clock, in Unix milliseconds. */
  receivedAt: number;
  /** It happened while we were away, and came with the catch-up. */
  replayed: boolean;
}

/** An envelope of which only the outline was looked at. */
export interface Envelope {
  id?: number;
  type: string;
  data: unknown;
  timestamp: number;
}
