// The README's pictures, taken by scripts/screenshots. Not a test of its own: the name keeps it out of the test run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Keyway, binary, press, signUp } from "./harness.mjs";

const folder = join(import.meta.dirname, "screenshots");

// What the window shows, and no more.
async function picture(page, name, { width = 1440, height = 860 } = {}) {
  await mkdir(folder, { recursive: true });
  await page.setViewportSize({ width, height });
  await page.screenshot({ path: join(folder, `readme-${name}.png`), animations: "disabled" });
}

test("pages of a portal that has been in use for a month", async (t) => {
  const keyway = await Keyway.start(t, { command: [binary(), "dev", "--demo-data"] });
  const given = /with the password\s+(\S+)/.exec(keyway.output)?.[1];
  assert.ok(given, "the demo data's password is printed");

  const stranger = await keyway.page();
  await signUp(stranger, { name: "Mary Example", email: "mary@example.com" });
  await press(stranger, "Create key");
  await stranger.getByRole("main").getByRole("button", { name: "Create key", exact: true }).click();
  await press(stranger, "Send first call");
  await stranger.getByRole("main").getByText(/\b200\b/).first().waitFor();
  await picture(stranger, "first-call", { width: 1240, height: 760 });

  const page = await keyway.page();
  await page.goto("/sign-in");
  await page.getByLabel("E-mail", { exact: true }).fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill(given);
  await press(page, "Sign in");
  await page.waitForURL((url) => url.pathname === "/");
  await page.goto("/credentials");
  await picture(page, "ledger");

  await page.goto("/keys");
  await page.getByRole("main").getByRole("link", { name: "Billing server" }).first().click();
  await page.waitForURL(/\/keys\/[0-9a-f-]{36}$/);
  await picture(page, "key");

  await page.goto("/usage?range=30d");
  await picture(page, "usage");

  await page.goto("/requests?outcome=scope");
  await page.getByRole("main").getByRole("link", { name: /^Explain request/ }).first().click();
  await page.getByRole("heading", { name: "Why was this refused?" }).waitFor();
  await picture(page, "refusal");

  const { client_id } = await keyway.run(["client", "create", "--name", "Field notes", "--owner", "grace@example.com",
    "--scope", "notes:read", "--scope", "notes:write", "--redirect-uri", "https://fieldnotes.example/callback", "--auth-method", "none"]);
  const query = new URLSearchParams({
    response_type: "code", client_id, redirect_uri: "https://fieldnotes.example/callback", scope: "notes:read notes:write",
    state: "s", code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256",
  });
  await page.goto(`/oauth/authorize?${query}`);
  await page.getByRole("heading", { name: /Field notes/ }).waitFor();
  await picture(page, "consent", { width: 960, height: 640 });
});
