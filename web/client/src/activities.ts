import { errorOfResponse, StreamError } from "./errors.js";
import type { ActivityFields, LatestUpdate, LogEvents, EventOf } from "./events.js";
import type { Loaded } from "./live-query.js";

/** One row of GET /api/activities. */
export interface Activity extends Omit<ActivityFields, "timestamp"> {
  latestUpdate: LatestUpdate | null;
  /** Null for a row that entered the list with an update: events do not hold the time of creation. */
  createdAt: string | null;
  /** The time of the last change that the list or an event reported. */
  updatedAt: string;
}

/** The filters of GET /api/activities. A row matches a list of values if it has one of them. */
export type ActivityQuery = Partial<Record<"status" | "category" | "subcategory" | "location" | "reporter" | "assignedTo" | "q", string | readonly string[]>>;

export interface ActivitiesOptions {
  /** Default "/api/activities". */
  url?: string | URL;
  /** Only rows that match. `assignedTo: ""` means unassigned. Rows enter and leave as changes make them match or not. */
  query?: ActivityQuery;
  /** The number of rows to hold; the newest stay. Default 5000. */
  max?: number;
  /** Returns further options for fetch, such as headers with a token. Called before each request. */
  request?: () => RequestInit | Promise<RequestInit>;
}

/** The activities by id, newest first. */
export type Activities = ReadonlyMap<string, Activity>;

type ActivityEvent = EventOf<LogEvents>;

/** Returns `load` and `apply` for a live query over the activities of this server. */
export function activities(options: ActivitiesOptions = {}): {
  load: (request: { signal: AbortSignal }) => Promise<Loaded<Activities>>;
  apply: (data: Activities, events: readonly { type: string; data: unknown }[]) => Activities;
} {
  const max = options.max ?? 5000;
  const matches = matcher(options.query ?? {});
  return {
    load: ({ signal }) => load(options, max, signal),
    apply: (data, events) => apply(data, events as readonly ActivityEvent[], matches, max),
  };
}

/** A response of GET /api/activities. */
export interface ActivitiesPage {
  activities: (Activity & { timestamp?: string })[];
  cursor: string;
  next: string | null;
}

/** Converts a response that a server loaded into a live query's `initial`. */
export function activitiesOf({ activities, cursor }: ActivitiesPage): Loaded<Activities> {
  return { data: new Map(activities.map(({ timestamp: _, ...row }) => [row.id, row])), cursor };
}

/** Loads all pages. It returns the cursor of the first: changes made during the load arrive as events and lead to the same state. */
async function load(options: ActivitiesOptions, max: number, signal: AbortSignal): Promise<Loaded<Activities>> {
  const data = new Map<string, Activity>();
  let cursor: string | undefined;
  let after: string | null = null;
  do {
    const page: ActivitiesPage = await loadPage(options, Math.min(500, max - data.size), after, signal);
    cursor ??= page.cursor;
    for (const [id, row] of activitiesOf(page).data) data.set(id, row);
    after = page.next;
  } while (after !== null && data.size < max);
  return { data, cursor };
}

async function loadPage(options: ActivitiesOptions, limit: number, after: string | null, signal: AbortSignal): Promise<ActivitiesPage> {
  const params = new URLSearchParams({ limit: String(limit) });
  for (const [name, values] of Object.entries(options.query ?? {})) {
    for (const value of [values].flat()) params.append(name, value);
  }
  if (after !== null) params.set("after", after);
  const init = (await options.request?.()) ?? {};
  let response: Response;
  try {
    response = await fetch(`${options.url ?? "/api/activities"}?${params}`, { ...init, signal });
  } catch (cause) {
    throw new StreamError("fetch the list: no response", { kind: "network", cause });
  }
  if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) throw await errorOfResponse(response, true);
  return (await response.json()) as ActivitiesPage;
}

function apply(data: Activities, events: readonly ActivityEvent[], matches: (row: Activity) => boolean, max: number): Activities {
  const changed = new Map<string, Activity | null>(); // null: deleted
  for (const event of events) {
    if (event.type === "activity_deleted") changed.set(event.data.id, null);
    if (event.type !== "activity_created" && event.type !== "activity_updated" && event.type !== "assignment_changed") continue;
    const { id } = event.data;
    const old = changed.has(id) ? changed.get(id) : data.get(id);
    changed.set(id, merge(old, event));
  }
  if (changed.size === 0) return data;
  const isShown = (row: Activity | null): row is Activity => row !== null && matches(row);
  const added = [...changed].filter((entry): entry is [string, Activity] => !data.has(entry[0]) && isShown(entry[1]));
  const next = new Map<string, Activity>(added.reverse());
  for (const [id, old] of data) {
    const row = changed.get(id);
    if (row === undefined) next.set(id, old);
    else if (isShown(row)) next.set(id, row);
  }
  return next.size <= max ? next : new Map([...next].slice(0, max));
}

function merge(old: Activity | null | undefined, event: Extract<ActivityEvent, { data: ActivityFields }>): Activity {
  const { id, category, subcategory, location, status, reporter, assignedTo, timestamp } = event.data;
  const created = event.type === "activity_created";
  return {
    id, category, subcategory, location, status, reporter, assignedTo,
    latestUpdate: event.type === "activity_updated" ? event.data.latestUpdate : (old?.latestUpdate ?? null),
    createdAt: old?.createdAt ?? (created ? timestamp : null),
    updatedAt: old && old.updatedAt > timestamp ? old.updatedAt : timestamp,
  };
}

const searched = ["category", "subcategory", "location", "reporter"] as const;

/** Returns a function that applies the server's filters to a row. */
function matcher(query: ActivityQuery): (row: Activity) => boolean {
  const { q, ...fields } = query;
  const words = q === undefined ? null : [q].flat().map((word) => word.toLowerCase());
  const tests = Object.entries(fields).map(([field, values]) => [field as keyof typeof fields, new Set([values].flat())] as const);
  return (row) =>
    tests.every(([field, values]) => values.has(row[field] ?? "")) &&
    (!words || words.some((word) => searched.some((field) => row[field].toLowerCase().includes(word))));
}
