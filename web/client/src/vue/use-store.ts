import { computed, getCurrentInstance, onMounted, shallowRef, watch, type ComputedRef } from "vue";
import { shown, type Selected } from "../bindings/store.js";

/** The members of a snapshot, each as a ref, and its functions. */
export type Refs<Snapshot> = { readonly [Name in keyof Snapshot]: Snapshot[Name] extends (...args: any[]) => unknown ? Snapshot[Name] : ComputedRef<Snapshot[Name]> };

/** Follows the selected store while the component is mounted, or until the scope ends. It opens nothing on a server. */
export function useStore<Snapshot extends object>(select: () => Selected<Snapshot>): Refs<Snapshot> {
  const selected = computed(select);
  const version = shallowRef(0);
  const isMounted = shallowRef(!getCurrentInstance());
  if (!isMounted.value) onMounted(() => (isMounted.value = true));
  const follow = ([{ store, enabled }, mounted]: [Selected<Snapshot>, boolean], _: unknown, onCleanup: (stop: () => void) => void) => {
    if (!enabled || !mounted) return;
    onCleanup(store.subscribe(() => version.value++));
    version.value++; // it may have changed before
  };
  watch([selected, isMounted] as const, follow as never, { immediate: true });
  const snapshot = computed(() => (version.value, shown(selected.value.store, selected.value.enabled)));
  const refs = Object.entries(selected.value.store.initial).map(([name, value]) => {
    const member = () => snapshot.value[name as keyof Snapshot];
    return [name, typeof value === "function" ? (...args: unknown[]) => (member() as typeof value)(...args) : computed(member)];
  });
  return Object.fromEntries(refs) as Refs<Snapshot>;
}
