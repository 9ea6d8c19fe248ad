import type { ConnectionOptions } from "../options.js";

/** Reports whether the tabs of this browser can share a connection. They can in a secure context: https or localhost. */
export function canShare(): boolean {
  if (typeof document === "undefined" || typeof BroadcastChannel !== "function") return false;
  return !!navigator.locks && globalThis.origin !== "null"; // a sandboxed frame has an opaque origin
}

/** Returns the name of the group that shares a connection, or null if the stream must have its own. */
export function groupOf(options: ConnectionOptions): string | null {
  const { token, headers } = options;
  const { shared = token === undefined && Object.keys(headers ?? {}).length === 0 } = options; // headers may say who the user is
  if (shared === false || shared === "" || !canShare()) return null;
  if (shared === true && token) {
    throw new TypeError("tabs with different tokens must not share a connection: name the group, as in shared: userId");
  }
  return shared === true ? "" : shared;
}
