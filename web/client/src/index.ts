export type { BackoffOptions } from "./backoff.js";
export type { Debug } from "./debug.js";
export { StreamError, type ErrorKind, type StreamErrorDetails } from "./errors.js";
export type * from "./events.js";
export type { ConnectionOptions, Selection, TokenCallback, TokenReason } from "./options.js";
export type { StreamStatus } from "./source.js";
export type { Role, StreamStats } from "./stats.js";
export { createEventStream, type EventFor, type EventStream, type EventStreamOptions, type EventType, type Reset } from "./stream.js";
