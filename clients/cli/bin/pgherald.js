#!/usr/bin/env node
// Runs the program of the package for this system, which npm installs as an optional dependency.

import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";

const name = `@pgherald/cli-${process.platform}-${process.arch}`;

function programPath() {
  const file = process.platform === "win32" ? "pgherald.exe" : "pgherald";
  try {
    return createRequire(import.meta.url).resolve(`${name}/bin/${file}`);
  } catch {
    console.error(
      `pgherald: the package ${name} is missing. If npm omitted optional dependencies, install with them; ` +
        "if there is no such package for this system, build the program with Go.",
    );
    process.exit(1);
  }
}

const program = spawn(programPath(), process.argv.slice(2), { stdio: "inherit" });

// A terminal sends SIGINT to the program too, which ends at once at the second one instead of draining.
const isOnTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !isOnTerminal) program.kill(signal);
  });
}
program.on("error", (error) => {
  console.error(`pgherald: run ${program.spawnfile}: ${error.message}`);
  process.exit(1);
});
program.on("close", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
