/** How a page returned. After "interrupted" its connections are probably dead, even if they appear open. */
export type PageReturn = "visible" | "interrupted";

/**
 * Calls `listener` when the page is shown again, is restored from the back/forward cache, or has a
 * network again. Returns a function that removes the listener. Does nothing outside of a page.
 */
export function onPageReturn(listener: (how: PageReturn, cause: string) => void): () => void {
  if (typeof window === "undefined" || typeof document === "undefined") return () => {};
  let offline = false;
  const visible = () => document.visibilityState === "visible" && listener("visible", "the page is visible again");
  const shown = (event: PageTransitionEvent) => event.persisted && listener("interrupted", "the page was restored from the back/forward cache");
  const lost = () => {
    offline = true;
  };
  const online = () => {
    listener(offline ? "interrupted" : "visible", "the network is back");
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
