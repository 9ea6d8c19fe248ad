import { errorOfResponse, StreamError } from "../errors.js";
import type { EventOf } from "../events.js";
import { resolve, type TokenCallback } from "../options.js";
import type { Loaded } from "../query.js";
import { withToken } from "../tokens.js";
import type { ActivityEvents, ActivityFields, LatestUpdate } from "./events.js";

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
  /** Returns a bearer token, as that of a stream. After a 401, a request is sent once more with another. */
  token?: TokenCallback;
  /** Returns further options for fetch, such as headers with a token. Called before each request. */
  request?: () => RequestInit | Promise<RequestInit>;
}

/** The activities by id, newest first. */
export type Activities = ReadonlyMap<string, Activity>;

type ActivityEvent = EventOf<ActivityEvents>;

/** Returns `load`, `apply` and `needsReload` for a live query over the activities of this server. */
export function activities(options: ActivitiesOptions = {}): {
  load: (request: { signal: AbortSignal }) => Promise<Loaded<Activities>>;
  apply: (data: Activities, events: readonly { type: string; data: unknown }[]) => Activities;
  needsReload: (data: Activities) => boolean;
} {
  const { max = 5000, query = {} } = options;
  const matches = matcher(query);
  const isFiltered = Object.keys(query).length > 0;
  return {
    load: ({ signal }) => load(options, max, signal),
    apply: (data, events) => apply(data, events as readonly ActivityEvent[], matches, max, isFiltered),
    needsReload: (data) => factsOf(data).isMisplaced || (factsOf(data).hasMore && data.size < max - Math.floor(max / 100)),
  };
}

/** A response of GET /api/activities. */
export interface ActivitiesPage {
  activities: (Activity & { timestamp?: string })[];
  cursor: string;
  next: string | null;
}

/** Converts a response that a server loaded into a live query's `initial`. */
export function activitiesOf({ activities, cursor, next }: ActivitiesPage): Loaded<Activities> {
  const rows = activities.map(({ timestamp: _, ...row }) => row);
  return { data: withFacts(rows, next !== null, false), cursor };
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
  return { data: withFacts([...data.values()], after !== null, false), cursor };
}

async function loadPage(options: ActivitiesOptions, limit: number, after: string | null, signal: AbortSignal): Promise<ActivitiesPage> {
  const params = new URLSearchParams({ limit: String(limit) });
  for (const [name, values] of Object.entries(options.query ?? {})) {
    for (const value of [values].flat()) params.append(name, value);
  }
  if (after !== null) params.set("after", after);
  const url = addressOf(options);
  for (const [name, value] of params) url.searchParams.append(name, value);
  const response = await withToken(options.token, (headers) => send(url, options, headers, signal));
  if (!response.ok || !response.headers.get("Content-Type")?.includes("json")) throw await errorOfResponse(response, true, "JSON");
  return (await response.json()) as ActivitiesPage;
}

/** Returns the address of the list. On a server, a relative one can never work. */
function addressOf({ url = "/api/activities" }: ActivitiesOptions): URL {
  try {
    return resolve(url);
  } catch (cause) {
    throw new StreamError((cause as Error).message, { kind: "setup", fatal: true, cause });
  }
}

async function send(url: URL, { request }: ActivitiesOptions, token: Record<string, string>, signal: AbortSignal): Promise<Response> {
  const init = (await request?.()) ?? {};
  const headers = new Headers(init.headers);
  for (const [name, value] of Object.entries(token)) headers.set(name, value);
  try {
    return await fetch(url, { ...init, headers, signal });
  } catch (cause) {
    throw new StreamError("fetch the list: no response", { kind: "network", cause });
  }
}

function apply(data: Activities, events: readonly ActivityEvent[], matches: (row: Activity) => boolean, max: number, isFiltered: boolean): Activities {
  const changed = new Map<string, Activity | null>(); // null: deleted
  for (const event of events) {
    if (event.type === "activity_deleted") changed.set(event.data.id, null);
    if (event.type !== "activity_created" && event.type !== "activity_updated" && event.type !== "assignment_changed") continue;
    const { id } = event.data;
    const old = changed.has(id) ? changed.get(id) : data.get(id);
    // Without a filter, a row that is neither new nor here is older than those that are.
    if (old || isFiltered || event.type === "activity_created") changed.set(id, merge(old, event));
  }
  if (changed.size === 0) return data;
  const isShown = (row: Activity | null): row is Activity => row !== null && matches(row);
  const kept: Activity[] = [];
  for (const [id, old] of data) {
    const row = changed.get(id);
    if (row === undefined) kept.push(old);
    else if (isShown(row)) kept.push(row);
  }
  const added = [...changed.values()].filter((row): row is Activity => isShown(row) && !data.has(row.id));
  const rows = added.length === 0 ? kept : [...added.reverse(), ...kept].sort(newestFirst);
  const { hasMore, isMisplaced } = factsOf(data);
  return withFacts(rows.slice(0, max), hasMore || rows.length > max, isMisplaced || added.some(({ createdAt }) => createdAt === null));
}

/** What a list says about itself beside its rows. */
interface Facts {
  /** Whether rows follow that it does not hold. */
  hasMore: boolean;
  /** Whether rows may be in a wrong place, since the time of their creation is not known. */
  isMisplaced: boolean;
}

const facts = new WeakMap<Activities, Facts>();

function factsOf(data: Activities): Facts {
  return facts.get(data) ?? { hasMore: false, isMisplaced: false };
}

function withFacts(rows: readonly Activity[], hasMore: boolean, isMisplaced: boolean): Activities {
  const data = new Map(rows.map((row) => [row.id, row]));
  facts.set(data, { hasMore, isMisplaced });
  return data;
}

/** Compares by the time of creation. Rows without one come first: they entered the list with a change. */
function newestFirst(a: Activity, b: Activity): number {
  if (a.createdAt === null || b.createdAt === null) return Number(b.createdAt === null) - Number(a.createdAt === null);
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? 1 : -1;
  return a.id < b.id ? 1 : -1;
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
