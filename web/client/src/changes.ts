import type { EventEnvelope, EventTypes, LogEvents } from "./events.js";

declare const events: unique symbol;

/** Marks the events of a stream with `collection`: each says what it does to the rows that the stream selects. */
export interface Changes<Events extends EventTypes> {
  readonly [events]: Events;
}

/** Whether a stream marks its events as changes; of any types, it does not. */
export type AreChanges<Events> = 0 extends 1 & Events ? false : Events extends Changes<any> ? true : false;

/** The types of the events, whether a stream marks them as changes or not. */
export type EventsIn<Events> = Events extends Changes<infer Inner> ? Inner : Events;

/** What a change of a row has besides the members of its event. */
interface ChangeMembers<Op> {
  collection: string;
  op: Op;
  key: string;
  /** The transaction, as `pgherald.xid()` gives it to its writer. */
  xid: string;
}

/** A row that the stream selects was inserted or updated; `moved` if an update has made the stream select it. */
export interface RowChanged<Type extends string, Data> extends EventEnvelope<Type, Data>, ChangeMembers<"insert" | "update"> {
  moved?: boolean;
}

/** A row was deleted. */
export interface RowDeleted<Type extends string, Data> extends EventEnvelope<Type, Data>, ChangeMembers<"delete"> {
  moved?: false;
}

/** The stream no longer selects a row. The event has no data, which the client may no longer see. */
export interface RowLeft<Type extends string> extends Omit<EventEnvelope<Type, never>, "data">, ChangeMembers<"delete"> {
  moved: true;
  data?: undefined;
}

/** Rows must be loaded again: the one with the key, those of the collection, or all of the stream. */
export interface RowsReset<Type extends string> extends Omit<EventEnvelope<Type, never>, "data">, Partial<ChangeMembers<"reset">> {
  op: "reset";
  moved?: false;
  data?: Type extends keyof LogEvents ? LogEvents[Type] : undefined;
}

/** What an event of a type does to the rows of a stream. */
export type ChangeOf<Type extends string, Data> = RowsReset<Type> | (Type extends keyof LogEvents ? never : RowChanged<Type, Data> | RowDeleted<Type, Data> | RowLeft<Type>);

/** Every change of a stream's rows. */
export type RowChange<Events extends EventTypes> = {
  [Type in keyof (LogEvents & Events) & string]: ChangeOf<Type, (LogEvents & Events)[Type]>;
}[keyof (LogEvents & Events) & string];
