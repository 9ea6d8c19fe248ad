/**
 * Calls `task` with the next frame of a visible page, and otherwise soon: a hidden page has no
 * frames, and its data should be right when it is shown. Returns what cancels it.
 */
export function schedule(task: () => void): () => void {
  if (typeof requestAnimationFrame !== "function") {
    const timer = setTimeout(task, 16);
    return () => clearTimeout(timer);
  }
  const cancel = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
  };
  const once = () => {
    cancel();
    task();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, 200);
  return cancel;
}
