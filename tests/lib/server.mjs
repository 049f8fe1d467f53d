// A whole Keyway on free ports with an empty data folder: for tests that come from outside, with a browser or without.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "..", "..");
const start_limit_ms = 30_000;
const stop_limit_ms = 10_000;

export const password = "correct horse battery staple 42";

const lifted = ["credential", "owner", "app", "sign_in", "unknown_credentials", "authorize", "token", "introspect",
  "revoke", "userinfo", "par", "device", "register"];
// Settings that take the limits off.
export const unlimited = Object.fromEntries(lifted.map((name) => [`KEYWAY_LIMITS__${name.toUpperCase()}`, "off"]));

export class Server {
  #process;
  #exit;
  #env;
  output = "";

  // `command`: what to start instead of `keyway dev`; `env`: settings on top of the harness's own; `demo`: with the
  // demo identity provider; `file`: gives the text of a settings file, when the portal's address is known.
  async start({ command = [binary(), "dev"], env = {}, demo = false, file } = {}) {
    const [portalPort, apiPort, demoPort] = await freePorts(3);
    this.portal = `http://localhost:${portalPort}`;
    this.api = `http://localhost:${apiPort}`;
    if (demo) this.demo = `http://localhost:${demoPort}`;
    this.dataDir = await mkdtemp(join(tmpdir(), "keyway-outside-"));
    if (file) await writeFile(join(this.dataDir, "keyway.toml"), await file(this.portal));
    this.#env = {
      ...withoutKeyway(process.env),
      KEYWAY_DATA_DIR: this.dataDir,
      KEYWAY_PORTAL_ADDR: `127.0.0.1:${portalPort}`,
      KEYWAY_API_ADDR: `127.0.0.1:${apiPort}`,
      KEYWAY_PUBLIC_URL: this.portal,
      KEYWAY_DEMO_ADDR: demo ? `127.0.0.1:${demoPort}` : "off",
      ...env,
    };
    await this.#spawn(command);
  }

  async #spawn([program, ...args]) {
    this.#process = spawn(program, args, { cwd: this.dataDir, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.output += text));
    }
    this.#exit = new Promise((resolve) => {
      this.#process.on("exit", (code, signal) => resolve(signal ?? code));
      this.#process.on("error", (error) => resolve(error.message));
    });
    await this.#ready();
  }

  async #ready() {
    let exited;
    this.#exit.then((how) => (exited = how));
    const until = Date.now() + start_limit_ms;
    while (Date.now() < until) {
      if (exited !== undefined) throw new Error(`the server ended at its start (${exited}):\n${this.output}`);
      try {
        const answer = await fetch(`${this.portal}/readyz`);
        if (answer.ok) return;
      } catch {
        // Nobody listens yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error(`no 200 from /readyz within ${start_limit_ms} ms:\n${this.output}`);
  }

  // Ends the server, and starts another one of Keyway's on the same addresses and data.
  async follow(args) {
    assert.equal(await this.#end(), 0, this.output);
    await this.#spawn([binary(), ...args]);
  }

  // Another command beside the running server, on the same data; its JSON answer.
  async run(args, { input } = {}) {
    const child = promisify(execFile)(binary(), [...args, "--json"], { cwd: this.dataDir, env: this.#env });
    child.child.stdin.end(input ?? "");
    return JSON.parse((await child).stdout || "null");
  }

  // Another command beside the running server, to be talked with while it runs.
  begin(args) {
    return spawn(binary(), args, { cwd: this.dataDir, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
  }

  // Ends it, and fails if it does not end cleanly.
  async stop() {
    const how = await this.#end();
    if (this.dataDir) await rm(this.dataDir, { recursive: true, force: true });
    assert.equal(how, 0, `exit code after SIGTERM; the server said:\n${this.output}`);
  }

  // How it ends when asked to.
  async #end() {
    if (this.#process?.pid === undefined) return 0;
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), stop_limit_ms);
    const how = await this.#exit;
    clearTimeout(timer);
    return how;
  }
}

export function binary() {
  return process.env.KEYWAY_BIN ?? join(root, "target", "debug", "keyway");
}

function withoutKeyway(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("KEYWAY_")));
}

// Held open together, so that no port is given twice.
async function freePorts(count) {
  const servers = [];
  for (let i = 0; i < count; i += 1) {
    const server = createServer();
    await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
    servers.push(server);
  }
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
