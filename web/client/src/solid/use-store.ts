import { createEffect, createMemo, createSignal, onCleanup } from "solid-js";
import { members, shown, type Selected } from "../bindings/store.js";

/** Follows the selected store until its owner is disposed. It opens nothing on a server. */
export function useStore<Snapshot extends object>(select: () => Selected<Snapshot>): Readonly<Snapshot> {
  const selected = createMemo(select);
  const [version, setVersion] = createSignal(0);
  createEffect(() => {
    const { store, enabled } = selected();
    if (!enabled) return;
    const update = () => setVersion((last) => last + 1);
    onCleanup(store.subscribe(update));
    update(); // it may have changed before
  });
  const snapshot = createMemo(() => {
    version();
    return shown(selected().store, selected().enabled);
  });
  return members(selected().store.initial, snapshot);
}
