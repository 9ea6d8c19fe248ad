/** The code that follows rows and events: a chunk of its own, which pages load beside their first list. */
export { orderedWindow } from "./collection/changed-window.js";
export { RowChanges } from "./collection/row-changes.js";
export { RowStreams } from "./collection/row-streams.js";
export { Stream } from "./stream.js";
