"use client";
export { useRealtimeUpdates, type RealtimeUpdates, type RealtimeUpdatesOptions } from "./use-realtime-updates.js";
export { useLiveQuery, type UseLiveQuery, type UseLiveQueryOptions } from "./use-live-query.js";
export type { Updates } from "./updates-store.js";
