// Starts a whole Keyway on free ports with an empty data folder, opens Chromium with an empty profile, and fails the
// test on anything a person would not see but should worry about: console errors, breaches of the content security
// policy, requests to other hosts, an unclean exit.
//
//   test("…", async (t) => {
//     const keyway = await Keyway.start(t);
//     const page = await keyway.page();
//     …
//   });

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const root = join(import.meta.dirname, "..", "..");
const start_limit_ms = 30_000;
const stop_limit_ms = 10_000;
const action_limit_ms = 10_000;

export const password = "correct horse battery staple 42";
export const wide = { width: 1280, height: 800 };
export const narrow = { width: 390, height: 844 };

export class Keyway {
  // `command`: what to start instead of `keyway dev`; `env`: settings on top of the harness's own.
  static async start(t, { command = [binary(), "dev"], env = {} } = {}) {
    const keyway = new Keyway();
    // Before anything starts: whatever fails below is cleared away too, and faults fail the test.
    t.after(() => keyway.#close());
    await keyway.#startServer(command, env);
    await keyway.#startBrowser();
    return keyway;
  }

  #server;
  #browser;
  #exit;
  #env;
  #faults = [];
  #expected = [];
  #others = [];
  output = "";

  async #startServer([program, ...args], env) {
    const [portalPort, apiPort] = await freePorts(2);
    this.portal = `http://localhost:${portalPort}`;
    this.api = `http://localhost:${apiPort}`;
    this.dataDir = await mkdtemp(join(tmpdir(), "keyway-browser-"));
    this.#env = {
      ...withoutKeyway(process.env),
      KEYWAY_DATA_DIR: this.dataDir,
      KEYWAY_PORTAL_ADDR: `127.0.0.1:${portalPort}`,
      KEYWAY_API_ADDR: `127.0.0.1:${apiPort}`,
      KEYWAY_PUBLIC_URL: this.portal,
      KEYWAY_DEMO_ADDR: "off",
      ...env,
    };
    this.#server = spawn(program, args, { cwd: this.dataDir, env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#server.stdout, this.#server.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.output += text));
    }
    this.#exit = new Promise((resolve) => {
      this.#server.on("exit", (code, signal) => resolve(signal ?? code));
      this.#server.on("error", (error) => resolve(error.message));
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

  async #startBrowser() {
    this.#browser = await chromium.launch({
      executablePath: process.env.KEYWAY_CHROMIUM ?? "/usr/bin/chromium",
      // Names other than localhost do not even resolve.
      args: ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"],
    });
  }

  // A page with an empty profile of its own. `javaScript: false` is a browser with scripts turned off.
  async page({ javaScript = true, viewport = wide } = {}) {
    const context = await this.#browser.newContext({
      javaScriptEnabled: javaScript,
      baseURL: this.portal,
      viewport,
      locale: "en-GB",
      timezoneId: "UTC",
      permissions: javaScript ? ["clipboard-read", "clipboard-write"] : [],
    });
    context.setDefaultTimeout(action_limit_ms);
    context.on("request", (request) => this.#checkRequest(request));
    context.on("console", (message) => {
      if (message.type() === "error") this.#fault(`console: ${message.text()} (${message.location().url})`);
    });
    context.on("weberror", (error) => this.#fault(`uncaught: ${error.error()}`));
    return context.newPage();
  }

  #checkRequest(request) {
    const { protocol, origin } = new URL(request.url());
    if (protocol === "data:" || protocol === "blob:") return;
    if (![this.portal, this.api, ...this.#others].includes(origin)) this.#fault(`request to another host: ${request.url()}`);
  }

  #fault(text) {
    if (!this.#expected.some((pattern) => pattern.test(text))) this.#faults.push(text);
  }

  // Faults that the test provokes, as the console's word on a 4xx it asks for.
  expectFault(pattern) {
    this.#expected.push(pattern);
  }

  // A further origin that pages may lead to, as an app's own.
  allow(origin) {
    this.#others.push(origin);
  }

  // Asks the token endpoint, as a client with this secret if there is one (RFC 6749, section 2.3.1).
  async token(fields, secret) {
    const headers = secret ? { authorization: `Basic ${btoa(`${fields.client_id}:${secret}`)}` } : {};
    const body = new URLSearchParams(fields);
    if (secret) body.delete("client_id");
    const answer = await fetch(`${this.portal}/oauth/token`, { method: "POST", headers, body });
    return { status: answer.status, body: await answer.json() };
  }

  // Another command beside the running server, on the same data; its JSON answer.
  async run(args, { input } = {}) {
    const child = promisify(execFile)(binary(), [...args, "--json"], { cwd: this.dataDir, env: this.#env });
    child.child.stdin.end(input ?? "");
    return JSON.parse((await child).stdout || "null");
  }

  async #close() {
    let stopped = 0;
    await this.#browser?.close();
    if (this.#server?.pid !== undefined) stopped = await this.#stop();
    if (this.dataDir) await rm(this.dataDir, { recursive: true, force: true });
    assert.deepEqual(this.#faults, [], "faults seen by the browser");
    assert.equal(stopped, 0, `exit code after SIGTERM; the server said:\n${this.output}`);
  }

  async #stop() {
    this.#server.kill("SIGTERM");
    const timer = setTimeout(() => this.#server.kill("SIGKILL"), stop_limit_ms);
    const how = await this.#exit;
    clearTimeout(timer);
    return how;
  }
}

// Presses the one button (or, where the design has a link that looks like one, the link) of this name.
export async function press(page, name) {
  const main = page.getByRole("main");
  const button = main.getByRole("button", { name, exact: true });
  const link = main.getByRole("link", { name, exact: true });
  await button.or(link).first().click();
}

export async function signUp(page, { name = "Ada Example", email = "ada@example.com" } = {}) {
  await page.goto("/sign-up");
  await page.getByLabel("Name", { exact: true }).fill(name);
  await page.getByLabel("E-mail", { exact: true }).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await press(page, "Create account");
  await page.waitForURL((url) => url.pathname !== "/sign-up");
}

export async function signIn(page, { email = "ada@example.com" } = {}) {
  await page.goto("/sign-in");
  await page.getByLabel("E-mail", { exact: true }).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await press(page, "Sign in");
  await page.waitForURL((url) => url.pathname !== "/sign-in");
}

// Three pictures of a page into tests/browser/screenshots: light, dark, and on a phone.
export async function shot(page, name) {
  const folder = join(import.meta.dirname, "screenshots");
  await mkdir(folder, { recursive: true });
  const take = (kind) => page.screenshot({ path: join(folder, `${name}-${kind}.png`), fullPage: true, animations: "disabled" });
  const before = page.viewportSize();
  await page.emulateMedia({ colorScheme: "light" });
  await take("light");
  await page.emulateMedia({ colorScheme: "dark" });
  await take("dark");
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(narrow);
  await take("narrow");
  await page.setViewportSize(before);
}

// A call of an API with a token.
export async function call(url, token) {
  const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  return { status: answer.status, body: await answer.json() };
}

// The next pair for a refresh token; the dashboard's own belong to the built-in client.
export function refresh(keyway, token, client = "keyway-cli", secret = undefined) {
  return keyway.token({ grant_type: "refresh_token", refresh_token: token, client_id: client }, secret);
}

// What a person does with a curl line: pastes it into a shell. Only curl's own chatter and the status are added.
export async function paste(line) {
  const script = `curl() { command curl --silent --show-error --write-out '\\n%{http_code}' "$@"; }\n${line}\n`;
  const { stdout } = await promisify(execFile)("bash", ["-c", script]);
  const cut = stdout.lastIndexOf("\n");
  return { status: Number(stdout.slice(cut + 1)), body: stdout.slice(0, cut) };
}

function binary() {
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
