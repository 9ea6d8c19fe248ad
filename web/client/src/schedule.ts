/**
 * Runs `task` in the next animation frame, or after 200 ms if there is none: a hidden page has no
 * frames, but its data must be current when it is shown. Returns a function that cancels the task.
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
