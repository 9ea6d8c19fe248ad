export { createLiveQueries, type LiveQueries, type LiveQueryFor, type LiveQueryKey } from "./live.js";
export { invalidateOnEvents, type InvalidateOnChanges, type InvalidateOptions } from "./invalidate.js";
