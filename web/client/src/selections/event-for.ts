import type { RowEvent } from "../collection/row-event.js";
import type { Envelope } from "../events.js";

/** Returns what an event is for one of several selections of rows. What it has for others is none of its data. */
export function rowEventFor<Event extends RowEvent>({ ops, ...event }: Event, name: string): Event {
  const own = ops?.[name];
  const withOwn = { ...event, ...own } as Event;
  if (own && own.op !== "insert" && own.op !== "update") delete withOwn.data;
  return withOwn;
}

/** Returns the event as a stream of its own has it. */
export function eventFor({ q, ...event }: RowEvent & Envelope, name: string, isOfRows: boolean): Envelope {
  if (isOfRows) return rowEventFor(event, name);
  const { ops, op, moved, collection, xid, ...rest } = event;
  if (op === undefined && ops === undefined) return rest;
  const { key, ...own } = rest;
  return rest.oversized ? rest : own;
}
