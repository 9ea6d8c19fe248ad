import { beforeAll, beforeEach, vi } from "vitest";
import { loadFollowing } from "../src/following.js";

// Modules are not loaded in the fake time of the tests.
beforeAll(() => loadFollowing());

// Delays are those that a test expects.
beforeEach(() => void vi.spyOn(Math, "random").mockReturnValue(0.5));
