import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const program = process.env.PGHERALD_BIN ?? new URL("../../../bin/pgherald", import.meta.url).pathname;

/** A server of pgherald over an empty PostgreSQL. */
export class Server {
  private constructor(
    readonly url: string,
    private readonly psql: string,
    private readonly database: string,
    private readonly children: readonly ChildProcess[],
    private readonly folder: string,
  ) {}

  static async start(spec: string, prepare: string): Promise<Server> {
    const demo = spawn(program, ["demo", "--ephemeral", "--simulate=0", "--addr=127.0.0.1:0"], { stdio: ["ignore", "pipe", "pipe"] });
    const [, psql, database] = await printed(demo, /Write\s+(\S+) '(postgres:[^']+)'/);
    await run(psql!, [database!, "-v", "ON_ERROR_STOP=1", "-qc", "create database e2e"]);
    const url = new URL(database!);
    url.pathname = "/e2e";
    await run(psql!, [url.href, "-v", "ON_ERROR_STOP=1", "-qc", prepare]);
    const folder = await mkdtemp(join(tmpdir(), "pgherald-e2e-"));
    await writeFile(join(folder, "spec.yaml"), spec);
    const serve = spawn(program, ["serve", `--database-url=${url.href}`, "--addr=127.0.0.1:0", `--spec=${join(folder, "spec.yaml")}`, "--log-format=json"], { stdio: ["ignore", "pipe", "pipe"] });
    const [, address] = await printed(serve, /"serving","url":"([^"]+)"/);
    return new Server(address!, psql!, url.href, [serve, demo], folder);
  }

  async sql(text: string): Promise<string> {
    const { stdout } = await run(this.psql, [this.database, "-v", "ON_ERROR_STOP=1", "-qAtc", text], { maxBuffer: 1 << 26 });
    return stdout.trim();
  }

  async stop(): Promise<void> {
    for (const child of this.children) {
      child.kill();
      await once(child, "exit");
    }
    await rm(this.folder, { recursive: true });
  }
}

/** Waits until a program has printed what matches. */
function printed(child: ChildProcess, pattern: RegExp): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    let output = "";
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const found = output.match(pattern);
      if (found) resolve(found);
    };
    child.stdout!.on("data", read);
    child.stderr!.on("data", read);
    child.once("exit", () => reject(new Error(`the program ended:\n${output}`)));
  });
}
