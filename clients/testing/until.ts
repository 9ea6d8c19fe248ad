import { vi } from "vitest";

/** Waits until a check passes, however slow the machine is. Only a test that fails waits for long. */
export const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 60_000, interval: 10 });
