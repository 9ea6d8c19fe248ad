import { createSubscriber } from "svelte/reactivity";
import { members, shown, type Selected } from "../bindings/store.js";

/** Follows the selected store while an effect or a template reads one of its members. It opens nothing on a server. */
export function useStore<Snapshot extends object>(select: () => Selected<Snapshot>): Readonly<Snapshot> {
  let last: Selected<Snapshot> | undefined;
  let track = () => {};
  const snapshot = () => {
    const selected = select();
    const { store, enabled } = selected;
    if (selected !== last) track = enabled ? createSubscriber((update) => store.subscribe(update)) : () => {};
    last = selected;
    track();
    return shown(store, enabled);
  };
  return members(select().store.initial, snapshot);
}
