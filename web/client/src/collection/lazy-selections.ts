import type { ConnectionOptions } from "../options.js";
import { streamURL } from "../stream-url.js";
import type { SharedSelections } from "../shared/selections.js";

type Contents = readonly string[];

let selections: typeof import("../shared/selections.js") | undefined;

/** Loads the code that lets tabs share a stream although they select different rows. */
export async function loadSelections(): Promise<void> {
  selections ??= await import("../shared/selections.js");
}

/** Returns what the tabs of a group want of a stream. `use` takes what the stream should have, of which `fit` says how much it can. */
export async function sharedSelections(options: ConnectionOptions, group: string, fit: (contents: Contents) => boolean, use: (contents: Contents) => void): Promise<SharedSelections> {
  await loadSelections();
  return new selections!.SharedSelections(`pgherald selections ${group} ${streamURL(options)}`, fit, use);
}
