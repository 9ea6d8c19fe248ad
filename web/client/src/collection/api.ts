import { errorOfResponse, StreamError } from "../errors.js";
import { resolve, type ConnectionOptions } from "../options.js";
import { withToken } from "../tokens.js";

/** A collection as GET /api/collections describes it. */
export interface Description {
  name: string;
  /** The columns of the key. */
  key: string[];
  fields: { name: string; type: string; nullable: boolean }[];
  filter: { name: string; kind: string; operators: string[]; labels?: string[] }[];
}

/** A page of a list. A row above the server's limit is null, and its key is in `oversized`; one that PostgreSQL cannot send, in `unreadable`. */
export interface Page<Row> {
  rows: (Row | null)[];
  keys: string[];
  oversized?: string[];
  unreadable?: string[];
  cursor: string;
  /** The transactions that it contains. */
  snapshot: string;
  next: string | null;
}

/** The address of a server's API, and how to send requests to it. */
export type ApiOptions = Pick<ConnectionOptions, "url" | "token" | "headers" | "credentials" | "fetch">;

/** Returns the URL of a path of the API. It is as relative as the server's address, by default "/": a page that is rendered on a server cannot resolve it. */
export function apiURL(base: string | URL = "/", path: string): string {
  return `${String(base).replace(/\/?([?#].*)?$/, "")}/api/${path}`;
}

/** Reads the lists of a server. Each method rejects with a StreamError. */
export class Api {
  private descriptions: Promise<Description[]> | undefined;
  private hasAnswered = false;

  constructor(private readonly options: ApiOptions) {}

  /** Returns the description of a collection. `isFresh` reads it again: a new version of the spec may differ. */
  async describe(name: string, isFresh: boolean): Promise<Description> {
    if (isFresh) this.descriptions = undefined;
    // Collections that load at the same time share the request, so that none of them may abort it.
    const request = (this.descriptions ??= this.get<{ collections: Description[] }>("collections").then(({ collections }) => collections));
    try {
      const all = await request;
      const found = all.find((collection) => collection.name === name);
      if (found) return found;
      const known = all.map((collection) => collection.name).join(", ");
      throw new StreamError(`the server has no collection ${JSON.stringify(name)}: it has ${known || "none"}`, { kind: "http", fatal: true, status: 404 });
    } catch (error) {
      if (this.descriptions === request) this.descriptions = undefined;
      throw error;
    }
  }

  page<Row>(name: string, params: URLSearchParams, signal: AbortSignal): Promise<Page<Row>> {
    return this.get(`collections/${encodeURIComponent(name)}?${params}`, signal);
  }

  /** Returns a row, or null if there is none. */
  async row<Row>(name: string, key: string, signal: AbortSignal): Promise<Row | null> {
    const separator = /^[\w-]+$/.test(key) ? "/" : "?key="; // browsers and proxies change paths with other keys, such as ".."
    try {
      return await this.get<Row>(`collections/${encodeURIComponent(name)}${separator}${encodeURIComponent(key)}`, signal);
    } catch (error) {
      if (error instanceof StreamError && error.status === 404 && error.problem) return null; // and not a proxy's page
      throw error;
    }
  }

  private async get<T>(path: string, signal?: AbortSignal): Promise<T> {
    const response = await withToken(this.options.token, (headers) => this.request(path, headers, signal));
    if (response.ok && response.headers.get("Content-Type")?.includes("json")) {
      this.hasAnswered = true;
      return (await response.json()) as T;
    }
    const isServers = response.headers.get("Content-Type")?.includes("problem+json") ?? false; // and not a proxy's
    throw await errorOfResponse(response, this.hasAnswered && !isServers, "JSON");
  }

  private async request(path: string, token: Record<string, string>, signal?: AbortSignal): Promise<Response> {
    const { url, credentials = "same-origin", fetch = globalThis.fetch } = this.options;
    const headers = { ...this.options.headers, Accept: "application/json", ...token };
    let target: URL;
    try {
      target = resolve(apiURL(url, path));
    } catch (cause) {
      throw new StreamError((cause as Error).message, { kind: "setup", fatal: true, cause });
    }
    try {
      return await fetch(target, { headers, credentials, signal: signal ?? null, cache: "no-store" });
    } catch (cause) {
      throw new StreamError("fetch the list: no response", { kind: "network", cause });
    }
  }
}
