import { Connection } from "./connection.js";
import type { Debug } from "./debug.js";
import { LoadingSource } from "./loading-source.js";
import type { ConnectionOptions } from "./options.js";
import { groupOf } from "./shared/group.js";
import type { Sink, Source } from "./source.js";

let sharing: typeof import("./shared/shared.js") | undefined;

/** Loads the code that shares connections. Only pages that can share need it. */
export async function loadSharing(): Promise<void> {
  sharing ??= await import("./shared/shared.js");
}

/** Returns the connection of a stream: its own, or that of its group of tabs. */
export function sourceOf(options: ConnectionOptions, sink: Sink, debug: Debug): Source {
  const group = groupOf(options);
  if (group === null) return new Connection(options, sink, debug);
  const make = (options: ConnectionOptions) => new sharing!.SharedSource(options, group, sink, debug);
  return sharing ? make(options) : new LoadingSource(options, sink, loadSharing, make);
}
