// Every form of the dashboard with scripts switched off: a page and a POST, where scripts would show a dialog.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Keyway, call, password, press, signIn, signUp } from "./harness.mjs";

const secret = /keyway_live_[0-9A-Za-z]{30,}/;

async function shown(page) {
  await page.waitForURL(/\/shown$/);
  return secret.exec(await page.getByRole("main").innerText())[0];
}

test("without scripts a key is made, changed, rotated, switched off and on, and revoked", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page({ javaScript: false });
  await signUp(page);
  const status = async (key) => (await call(`${keyway.api}/v1/whoami`, key)).status;

  await page.goto("/keys/new");
  await page.getByLabel("Name", { exact: true }).fill("Nightly export");
  await page.getByRole("radio", { name: /^30 days/ }).check();
  await page.getByRole("main").getByRole("button", { name: "Create key", exact: true }).click();
  const first = await shown(page);
  const here = new URL(page.url()).pathname.replace(/\/shown$/, "");
  assert.equal(await status(first), 200);

  await page.goto(`${here}/settings`);
  await page.getByLabel("Name", { exact: true }).fill("Weekly export");
  await page.getByRole("checkbox", { name: /notes:write/ }).check();
  await press(page, "Save changes");
  await page.goto("/keys?q=weekly");
  await page.getByRole("main").getByRole("link", { name: "Weekly export" }).click();

  await page.goto(`${here}/settings`);
  await page.getByRole("radio", { name: "1 hour" }).check();
  await press(page, "Rotate key");
  const second = await shown(page);
  const next = new URL(page.url()).pathname.replace(/\/shown$/, "");
  assert.deepEqual([await status(first), await status(second)], [200, 200]);

  await page.goto(`${next}/settings`);
  await press(page, "Disable key");
  await page.getByRole("heading", { name: /^Disable/ }).waitFor();
  await press(page, "Disable key");
  assert.equal(await status(second), 401);
  await page.goto(next);
  await press(page, "Enable key");
  assert.equal(await status(second), 200);

  await page.goto("/credentials");
  await page.getByRole("checkbox", { name: "Select Weekly export" }).first().check();
  await page.getByRole("checkbox", { name: "Select Weekly export" }).last().check();
  await press(page, "Revoke selected");
  await page.getByRole("heading", { name: /^Revoke/ }).waitFor();
  await page.getByRole("main").getByRole("button", { name: /^Revoke/ }).click();
  assert.deepEqual([await status(first), await status(second)], [401, 401]);
});

test("without scripts an account is changed, left and come back to", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page({ javaScript: false });
  await signUp(page);
  await page.goto("/settings/profile");
  await page.getByLabel("Name", { exact: true }).fill("Ada King");
  await press(page, "Save profile");
  await page.getByRole("complementary").getByText("Ada King").waitFor();

  await page.goto("/settings/notifications");
  await page.getByRole("checkbox", { name: /^API keys that end/ }).uncheck();
  await press(page, "Save notifications");
  assert.equal(await page.getByRole("checkbox", { name: /^API keys that end/ }).isChecked(), false);

  await page.goto("/settings/password");
  await page.getByLabel("Present password").fill(password);
  await page.getByLabel("New password").fill(`${password} and more`);
  await press(page, "Change password");
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.goto("/");
  await page.waitForURL(/\/sign-in/);
  await page.getByLabel("E-mail", { exact: true }).fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill(`${password} and more`);
  await press(page, "Sign in");
  await page.getByRole("complementary").getByText("Ada King").waitFor();
});

test("without scripts an app is registered, given a second secret, and deleted by its name", async (t) => {
  const keyway = await Keyway.start(t);
  const email = "ada@example.com";
  await keyway.run(["user", "create", "--email", email, "--password-stdin"], { input: password });
  const page = await keyway.page({ javaScript: false });
  await signIn(page, { email });
  await page.goto("/apps/new");
  await page.getByLabel("Name", { exact: true }).fill("Notes for Mac");
  await page.getByLabel("Redirect URIs").fill("http://127.0.0.1:9/callback");
  await page.getByRole("checkbox", { name: /notes:read/ }).check();
  await press(page, "Register app");
  await page.waitForURL(/\/secrets\/shown$/);
  await press(page, "Go to the app");
  await press(page, "Add secret");
  await page.waitForURL(/\/secrets\/shown$/);
  await press(page, "Go to the app");
  assert.equal(await page.getByRole("row", { name: /keyway_cs_/ }).count(), 2);

  await press(page, "Delete app");
  await page.getByLabel(/^Type .Notes for Mac./).fill("Notes for Mac");
  await press(page, "Delete app");
  await page.getByText("You have no apps yet.").waitFor();
});
