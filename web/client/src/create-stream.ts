import type { Changes } from "./changes.js";
import type { EventTypes, RegisteredEvents } from "./events.js";
import { sourceOf } from "./sources.js";
import { Stream, type ChangeStreamOptions, type EventStream, type EventStreamOptions } from "./stream.js";

/** Opens a stream. Throws a TypeError for options that cannot work. */
export function createEventStream<Events extends EventTypes = RegisteredEvents>(options: ChangeStreamOptions<Events>): EventStream<Changes<Events>>;
export function createEventStream<Events extends EventTypes = RegisteredEvents>(options?: EventStreamOptions<Events>): EventStream<Events>;
export function createEventStream(options: any = {}): any {
  const stream = new Stream<any>(options, sourceOf);
  if ((options.autoConnect ?? true) && !options.signal?.aborted) stream.connect();
  return stream;
}
