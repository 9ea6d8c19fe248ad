import { Backoff, type BackoffOptions } from "./backoff.js";
import { StreamError } from "./errors.js";

/** The code that follows rows and events. A page that shows a list needs it only once the list is there. */
export type Following = typeof import("./follow.js");

let following: Following | undefined;

/** Returns the code if it was loaded. */
export function loadedFollowing(): Following | undefined {
  return following;
}

/** Loads the code. Rejects with a StreamError. */
export async function loadFollowing(): Promise<Following> {
  try {
    return (following ??= await import("./follow.js"));
  } catch (cause) {
    throw withoutCode(cause);
  }
}

function withoutCode(cause: unknown, advice = ""): StreamError {
  return new StreamError(`load the code of the stream: no response${advice}`, { kind: "network", cause: cause instanceof StreamError ? cause.cause : cause });
}

/** After so many failures in a row, they may come from the browser: some keep a module that could not be loaded until the page is loaded again. */
const keptFailures = 3;

/** Receives what becomes of a load. */
export interface LoadEvents<T> {
  ready(loaded: T): void;
  /** Called for each attempt that failed; the next one comes at `retryAt`, in Unix milliseconds. */
  failed(error: StreamError, retryAt: number): void;
}

/** Loads a part of the package, until an attempt works. Returns a function that ends that. */
export function keepLoading<T>(load: () => Promise<T>, backoff: BackoffOptions | undefined, { ready, failed }: LoadEvents<T>): () => void {
  const delays = new Backoff(backoff);
  let isEnded = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const attempt = () => {
    load().then(
      (loaded) => isEnded || ready(loaded),
      (cause) => {
        if (isEnded) return;
        const delay = delays.next();
        timer = setTimeout(attempt, delay);
        const error = withoutCode(cause, ++failures < keptFailures ? "" : "; reload the page");
        error.retryAt = Date.now() + delay;
        failed(error, error.retryAt);
      },
    );
  };
  attempt();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}
