/** The category of an error. */
export type ErrorKind =
  | "network" // no response, or the connection broke
  | "silent" // the connection is open but delivered nothing, not even a heartbeat
  | "http" // the response is not a stream
  | "token" // the token callback threw
  | "reset" // events are missing, and no listener takes that
  | "protocol" // a frame is not an event
  | "setup"; // the options cannot work

export interface StreamErrorDetails {
  kind: ErrorKind;
  /** The stream is closed and does not retry; connect() starts it again. */
  fatal?: boolean;
  /** The HTTP status, if there was a response. */
  status?: number;
  /** The `code` of the server's problem details. */
  code?: string;
  /** The server's problem details (RFC 9457). */
  problem?: Record<string, unknown>;
  /** The server's `Retry-After`, in milliseconds. */
  retryAfter?: number;
  cause?: unknown;
}

/** The reason why a stream is not open. `message` says what to do about it, where the user can do something. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  readonly kind: ErrorKind;
  readonly fatal: boolean;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly problem: Record<string, unknown> | undefined;
  readonly retryAfter: number | undefined;
  /** The time of the next attempt, in Unix milliseconds. */
  retryAt: number | undefined;

  constructor(message: string, details: StreamErrorDetails) {
    super(message, { cause: details.cause });
    this.kind = details.kind;
    this.fatal = details.fatal ?? false;
    this.status = details.status;
    this.code = details.code;
    this.problem = details.problem;
    this.retryAfter = details.retryAfter;
  }
}

/** Statuses that no retry can change, even if the stream was open before. */
const permanent = new Set([400, 401, 403, 405, 406, 410, 414, 431]);

/** Statuses below 500 that a retry may change. */
const transient = new Set([408, 425, 429]);

/**
 * Converts a response that is not what was expected to an error. A response that a proxy may send while the
 * server is replaced (404, an HTML page) is fatal only if the stream has never been open.
 */
export async function errorOfResponse(response: Response, wasOpen: boolean, expected = "text/event-stream"): Promise<StreamError> {
  const problem = await problemOf(response);
  const { status } = response;
  const fatal = response.ok ? !wasOpen : permanent.has(status) || (status < 500 && !transient.has(status) && !wasOpen);
  const detail = typeof problem?.detail === "string" ? `: ${problem.detail}` : "";
  return new StreamError(describe(response, expected) + detail, {
    kind: "http",
    fatal,
    status,
    problem,
    code: typeof problem?.code === "string" ? problem.code : undefined,
    retryAfter: parseRetryAfter(response.headers.get("Retry-After")),
  });
}

function describe(response: Response, expected: string): string {
  if (response.ok) {
    const type = response.headers.get("Content-Type") ?? "no content type";
    return `the server answered ${response.status} with ${type} instead of ${expected}: check the url`;
  }
  return `the server answered ${response.status}${response.statusText && ` ${response.statusText}`}`;
}

async function problemOf(response: Response): Promise<Record<string, unknown> | undefined> {
  if (!response.headers.get("Content-Type")?.includes("json")) {
    void response.body?.cancel().catch(() => {});
    return undefined;
  }
  try {
    const problem: unknown = await response.json();
    return typeof problem === "object" && problem !== null ? { ...problem } : undefined;
  } catch {
    return undefined;
  }
}

/** Parses seconds or an HTTP date and returns milliseconds from now. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

/** Logs an error that is new and that no listener hears of: a query at module scope would hide why it has no data. */
export function reportUnheard(error: Error | null, before: Error | null, isHeard: boolean): void {
  if (error && error !== before && !isHeard) console.error(`pgherald: ${error.message}`);
}
