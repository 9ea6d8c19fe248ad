import { vi } from "vitest";

/** A request for a stream, and the writer of its response. */
export class Line {
  readonly url: URL;
  readonly headers: Headers;
  aborted = false;
  private readonly encoder = new TextEncoder();
  private writer!: ReadableStreamDefaultController<Uint8Array>;
  private isEnded = false;
  readonly response: Response;

  constructor(url: URL, init: RequestInit) {
    this.url = url;
    this.headers = new Headers(init.headers);
    const body = new ReadableStream<Uint8Array>({ start: (writer) => void (this.writer = writer), cancel: () => void (this.isEnded = true) });
    init.signal?.addEventListener("abort", () => {
      this.aborted = true;
      if (!this.isEnded) this.writer.error(new DOMException("aborted", "AbortError"));
      this.isEnded = true;
    });
    this.response = new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  /** The cursor of the request. */
  get cursor(): string | null {
    return this.url.searchParams.get("lastEventId") ?? this.url.searchParams.get("since");
  }

  write(text: string): void {
    this.writer.enqueue(this.encoder.encode(text));
  }

  send(envelope: object, id?: string): void {
    this.write(`${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(envelope)}\n\n`);
  }

  sync(data: object, id?: string, timestamp = Date.now()): void {
    this.send({ type: "sync", data, timestamp }, id);
  }

  heartbeat(id: string): void {
    this.send({ type: "heartbeat", data: {}, timestamp: Date.now() }, id);
  }

  /** Sends an event above the server's limit. */
  oversized(id: number, cursor: string, type: string, key: string): void {
    this.send({ id, type, key, oversized: true, timestamp: Date.now() }, cursor);
  }

  event(id: number, cursor?: string, type = "activity_deleted", data: object = { id: `a${id}`, timestamp: "t" }): void {
    this.send({ id, type, data, timestamp: Date.now() }, cursor);
  }

  /** Ends the stream normally. */
  end(): void {
    this.isEnded = true;
    this.writer.close();
  }

  /** Breaks the connection. */
  cut(): void {
    this.isEnded = true;
    this.writer.error(new TypeError("network error"));
  }
}

export type Answer = Response | Error | "stream" | "hang";

/** Replaces fetch by a server that follows the test's script. */
export class ScriptedServer {
  readonly lines: Line[] = [];
  readonly posts: { url: URL; headers: Headers }[] = [];
  /** The next responses; a stream when empty. */
  readonly script: Answer[] = [];
  /** Answers the requests of lists. */
  list: ((url: URL, headers: Headers) => Response | Promise<Response>) | undefined;
  /** Refuses streams by their URL. */
  refuseStream: (url: URL) => Response | undefined = () => undefined;
  /** Answers the requests of pages of events. */
  page: ((url: URL) => Response | Promise<Response>) | undefined;
  post: (url: URL) => Response = () => new Response(null, { status: 404 });

  constructor() {
    vi.stubGlobal("fetch", (input: URL | string, init: RequestInit = {}) => this.fetch(new URL(input), init));
  }

  get last(): Line {
    const line = this.lines.at(-1);
    if (!line) throw new Error("no client has connected");
    return line;
  }

  private async fetch(url: URL, init: RequestInit): Promise<Response> {
    if (init.method === "POST") {
      this.posts.push({ url, headers: new Headers(init.headers) });
      return this.post(url);
    }
    if (this.list && url.pathname.startsWith("/api/collections")) return this.list(url, new Headers(init.headers));
    if (this.page && new Headers(init.headers).get("Accept") === "application/json") {
      const aborted = new Promise<never>((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal!.reason as Error)));
      return Promise.race([this.page(url), aborted]);
    }
    const refusal = this.refuseStream(url);
    if (refusal) return refusal;
    const line = new Line(url, init);
    this.lines.push(line);
    const answer = this.script.shift() ?? "stream";
    if (answer === "stream") return line.response;
    if (answer === "hang") return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal!.reason)));
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

export function problem(status: number, body: object = {}, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify({ status, ...body }), { status, headers: { "Content-Type": "application/problem+json", ...headers } });
}

/** Runs everything that needs no time to pass. */
export const settle = () => vi.advanceTimersByTimeAsync(0);
