/** What went wrong, in one word. */
export type ErrorKind =
  | "network" // no answer, or the connection broke
  | "silent" // the connection was open and nothing came, not even a heartbeat
  | "http" // an answer that is no stream
  | "token" // the token callback threw
  | "protocol" // something came that is no event
  | "setup"; // this program asks for something that cannot be

export interface StreamErrorDetails {
  kind: ErrorKind;
  /** The stream has given up and is closed; only connect() begins anew. */
  fatal?: boolean;
  /** The HTTP status, if there was an answer. */
  status?: number;
  /** The `code` of the server's problem details. */
  code?: string;
  /** The server's problem details (RFC 9457). */
  problem?: Record<string, unknown>;
  /** How long the server wants us to stay away, in milliseconds. */
  retryAfter?: number;
  cause?: unknown;
}

/** Why a stream is not open. `message` says what to do where something can be done. */
export class StreamError extends Error {
  override readonly name = "StreamError";
  readonly kind: ErrorKind;
  readonly fatal: boolean;
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly problem: Record<string, unknown> | undefined;
  readonly retryAfter: number | undefined;
  /** When the next attempt is due, in Unix milliseconds. */
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

/** Answers that will be the same next time, whatever has worked before. */
const final = new Set([400, 401, 403, 405, 406, 410, 414, 431]);

/** Statuses below 500 that are worth another try. */
const passing = new Set([408, 425, 429]);

/**
 * Reads an answer that is no stream. One that may stem from a proxy while the server is replaced
 * (404, a page of HTML) is fatal only to a stream that has never been open.
 */
export async function errorOfResponse(response: Response, wasOpen: boolean): Promise<StreamError> {
  const problem = await problemOf(response);
  const { status } = response;
  const fatal = response.ok ? !wasOpen : final.has(status) || (status < 500 && !passing.has(status) && !wasOpen);
  const detail = typeof problem?.detail === "string" ? `: ${problem.detail}` : "";
  return new StreamError(describe(response) + detail, {
    kind: "http",
    fatal,
    status,
    problem,
    code: typeof problem?.code === "string" ? problem.code : undefined,
    retryAfter: parseRetryAfter(response.headers.get("Retry-After")),
  });
}

function describe(response: Response): string {
  if (response.ok) {
    const type = response.headers.get("Content-Type") ?? "no content type";
    return `the server answered ${response.status} with ${type} instead of text/event-stream: is the url right?`;
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

/** Reads seconds or an HTTP date; returns milliseconds from now. */
export function parseRetryAfter(value: string | null): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
