// Measures what a page takes of a processor, task by task, from a trace of Chromium: the time that a task waits for a processor of a busy
// machine is not in it.

/** The categories of a trace: tasks, and with PGHERALD_TRACE=1 what they did. */
const CATEGORIES = ['toplevel', 'disabled-by-default-devtools.timeline', ...(process.env.PGHERALD_TRACE ? ['devtools.timeline', 'v8'] : [])];

/** What belongs to no page's load, but to the tools that measure. */
const OWN = /^(ThreadControllerImpl::RunTask|RunTask)$/;

/**
 * Runs `act()` while the page is traced. Returns {seconds, share, longest, over}: the share of a core that its main thread took, its
 * longest task in milliseconds of the processor, the number of tasks over 50 ms, and `text`, all of it in a line.
 */
export async function traced(page, act) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: CATEGORIES });
  const from = performance.now();
  await act();
  const seconds = (performance.now() - from) / 1000;
  const { traceEvents } = JSON.parse(await browser.stopTracing());
  return { seconds, ...measure(traceEvents, seconds) };
}

function measure(events, seconds) {
  const byThread = new Map();
  for (const { name, ph, tdur, dur, ts, pid, tid } of events) {
    if (ph !== 'X' || !OWN.test(name) || tdur === undefined) continue;
    const thread = `${pid} ${tid}`;
    if (!byThread.has(thread)) byThread.set(thread, []);
    byThread.get(thread).push({ cpu: tdur / 1000, wall: dur / 1000, ts, dur, thread });
  }
  const main = events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`);
  const busiest = main.map((thread) => outermost(byThread.get(thread) ?? [])).sort((a, b) => total(b) - total(a))[0] ?? [];
  const sorted = [...busiest].sort((a, b) => b.cpu - a.cpu);
  if (process.env.PGHERALD_TRACE) for (const task of sorted.slice(0, 3)) console.log(inside(task, events));
  const longest = sorted[0]?.cpu ?? 0;
  const over = sorted.filter(({ cpu }) => cpu > 50).length;
  const waited = Math.max(0, ...busiest.map(({ wall }) => wall));
  const share = total(busiest) / 1000 / seconds;
  return { share, longest, over, tasks: busiest.length, text: `${Math.round(share * 100)} % of a core; longest task ${longest.toFixed(1)} ms of it (${waited.toFixed(1)} ms with waits); ${over} over 50 ms of ${busiest.length} tasks` };
}

const total = (tasks) => tasks.reduce((sum, { cpu }) => sum + cpu, 0);

/** Drops tasks within tasks: a loop that a task runs. */
function outermost(tasks) {
  let end = -Infinity;
  return tasks.sort((a, b) => a.ts - b.ts || b.dur - a.dur).filter(({ ts, dur }) => {
    if (ts < end) return false;
    end = ts + dur;
    return true;
  });
}

/** Describes what a task did, for a person who looks for what takes long. */
function inside(task, events) {
  const parts = events.filter(({ ph, ts, pid, tid, name }) => ph === 'X' && `${pid} ${tid}` === task.thread && ts >= task.ts && ts < task.ts + task.dur && !OWN.test(name));
  const lines = parts.filter(({ tdur }) => tdur > 1000).map(({ name, tdur, args }) => `  ${name} ${(tdur / 1000).toFixed(1)} ms ${JSON.stringify(args?.data ?? {}).slice(0, 160)}`);
  return [`task of ${task.cpu.toFixed(1)} ms (${task.wall.toFixed(1)} with waits)`, ...lines].join('\n');
}
