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
import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { Server, binary, password } from "../lib/server.mjs";
import { fitsItsWidth, inEveryLook, isAccessible } from "./checks.mjs";

export { binary, password };
const action_limit_ms = 10_000;

const wide = { width: 1280, height: 800 };

export const browser_options = {
  executablePath: process.env.KEYWAY_CHROMIUM ?? "/usr/bin/chromium",
  // Names other than localhost do not even resolve.
  args: ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"],
};

// Contexts in which axe, a script, cannot run.
const scriptless = new WeakSet();

export class Keyway extends Server {
  static async start(t, options = {}) {
    const keyway = new Keyway();
    // Before anything starts: whatever fails below is cleared away too, and faults fail the test.
    t.after(() => keyway.#close());
    await keyway.start(options);
    await keyway.#startBrowser();
    return keyway;
  }

  #browser;
  #faults = [];
  #expected = [];
  #others = [];

  async #startBrowser() {
    this.#browser = await chromium.launch(browser_options);
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
    if (!javaScript) scriptless.add(context);
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

  async #close() {
    await this.#browser?.close();
    await this.stop();
    assert.deepEqual(this.#faults, [], "faults seen by the browser");
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

// A picture of the page as it is now, into tests/browser/screenshots.
export async function picture(page, name) {
  const folder = join(import.meta.dirname, "screenshots");
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: "disabled" });
}

// A step of a flow, as it stands: fits, is accessible and has its picture taken, in each look.
export async function shot(page, name) {
  const before = page.viewportSize();
  await inEveryLook(page, async (look) => {
    await fitsItsWidth(page, `${name}, ${look.name}`);
    if (!scriptless.has(page.context())) await isAccessible(page, `${name}, ${look.name}`);
    await picture(page, `${name}-${look.name}`);
  });
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
