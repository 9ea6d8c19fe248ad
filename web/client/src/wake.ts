/** Why a connection should be looked at. "moved": it is likely to be dead, even if it seems open. */
export type Wake = "visible" | "moved";

/**
 * Calls `wake` when the page comes back: shown again, restored from the back/forward cache, or the
 * machine has a network again. Returns the off function. Without a page there is nothing to hear.
 */
export function onWake(wake: (wake: Wake, cause: string) => void): () => void {
  if (typeof window === "undefined" || typeof document === "undefined") return () => {};
  let offline = false;
  const visible = () => document.visibilityState === "visible" && wake("visible", "the page is visible again");
  const shown = (event: PageTransitionEvent) => event.persisted && wake("moved", "the page was restored from the back/forward cache");
  const lost = () => {
    offline = true;
  };
  const online = () => {
    wake(offline ? "moved" : "visible", "the network is back");
    offline = false;
  };
  document.addEventListener("visibilitychange", visible);
  window.addEventListener("pageshow", shown);
  window.addEventListener("offline", lost);
  window.addEventListener("online", online);
  return () => {
    document.removeEventListener("visibilitychange", visible);
    window.removeEventListener("pageshow", shown);
    window.removeEventListener("offline", lost);
    window.removeEventListener("online", online);
  };
}
