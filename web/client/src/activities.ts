import { errorOfResponse, StreamError } from "./errors.js";
import type { ActivityFields, LatestUpdate, LogEvents, EventOf } from "./events.js";
import type { Loaded } from "./live-query.js";

/** One row of GET /api/activities. */
export interface Activity extends Omit<ActivityFields, "timestamp"> {
  latestUpdate: LatestUpdate | null;
  /** Null for a row that an update brought into the list: events do not say when it was created. */
  createdAt: string | null;
  /** When it was last changed, as far as the list or an event has said. */
  updatedAt: string;
}

/** The filters of GET /api/activities: one value, or several of which a row must have one. */
export type ActivityQuery = Partial<Record<"status" | "category" | "subcategory" | "location" | "reporter" | "assignedTo" | "q", string | readonly string[]>>;

export interface ActivitiesOptions {
  /** Default "/api/activities". */
  url?: string | URL;
  /** Only these. `assignedTo: ""` is nobody. Rows come and go as they begin and cease to match. */
  query?: ActivityQuery;
  /** How many rows to hold, the newest. Default 5000. */
  max?: number;
  /** Further options of the requests, such as headers with a token; asked before each. */
  request?: () => RequestInit | Promise<RequestInit>;
}

/** The activities by id, the newest first. */
export type Activities = ReadonlyMap<string, Activity>;

type ActivityEvent = EventOf<LogEvents>;

/** `load` and `apply` for a live query over the activities of this server. */
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

/** An answer of GET /api/activities. */
export interface ActivitiesPage {
  activities: (Activity & { timestamp?: string })[];
  cursor: string;
  next: string | null;
}

/** What a server has loaded, as a live query's `initial`. */
export function activitiesOf({ activities, cursor }: ActivitiesPage): Loaded<Activities> {
  return { data: new Map(activities.map(({ timestamp: _, ...row }) => [row.id, row])), cursor };
}

/** The cursor is the first page's: what changes while the others are loaded comes as events, and ends in the same state. */
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
    throw new StreamError("the list could not be fetched", { kind: "network", cause });
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
  const fits = (row: Activity | null): row is Activity => row !== null && matches(row);
  const fresh = [...changed].filter((entry): entry is [string, Activity] => !data.has(entry[0]) && fits(entry[1]));
  const next = new Map<string, Activity>(fresh.reverse());
  for (const [id, old] of data) {
    const row = changed.get(id);
    if (row === undefined) next.set(id, old);
    else if (fits(row)) next.set(id, row);
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

/** Says of a row what the server's filters say. */
function matcher(query: ActivityQuery): (row: Activity) => boolean {
  const { q, ...fields } = query;
  const words = q === undefined ? null : [q].flat().map((word) => word.toLowerCase());
  const tests = Object.entries(fields).map(([field, values]) => [field as keyof typeof fields, new Set([values].flat())] as const);
  return (row) =>
    tests.every(([field, values]) => values.has(row[field] ?? "")) &&
    (!words || words.some((word) => searched.some((field) => row[field].toLowerCase().includes(word))));
}
