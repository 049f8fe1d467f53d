// From signing up to the first answered call: four presses, with and without JavaScript.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Keyway, paste, press, shot, signUp } from "./harness.mjs";

async function createFirstKey(page) {
  await signUp(page);
  await shot(page, "first-run");
  await press(page, "Create key");
  const form = page.getByRole("main");
  assert.notEqual(await form.getByLabel("Name", { exact: true }).inputValue(), "", "the name is prefilled");
  assert.ok((await form.getByRole("checkbox", { checked: true }).count()) + (await form.getByRole("radio", { checked: true }).count()) > 0,
    "scopes are chosen already");
  await shot(page, "key-create");
  await form.getByRole("button", { name: "Create key", exact: true }).click();
  await page.getByText(/keyway_(live|test)_[0-9A-Za-z]{20,}/).first().waitFor();
}

test("four presses lead from signing up to a shown 200", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  await createFirstKey(page);
  const status = page.getByRole("main").getByText(/\b200\b/).first();
  assert.equal(await status.isVisible(), false, "no 200 is shown before the call");
  const answered = page.waitForResponse((response) => new URL(response.url()).origin === keyway.api
    && response.request().method() === "GET");
  await press(page, "Send first call");
  assert.equal((await answered).status(), 200);
  await status.waitFor();
  await shot(page, "first-call");
});

test("without JavaScript the curl on the page, pasted, answers 200", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page({ javaScript: false });
  await createFirstKey(page);
  const line = (await page.locator("pre, code").filter({ hasText: /^\s*curl\s/ }).first().innerText()).trim();
  assert.match(line, new RegExp(keyway.api));
  const { status, body } = await paste(line);
  assert.equal(status, 200, body);
  assert.equal(JSON.parse(body).method, "api_key");
});

test("a new key is shown once", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page({ javaScript: false });
  await createFirstKey(page);
  await page.reload();
  await page.getByText(/already shown/i).first().waitFor();
  assert.equal(await page.getByText(/keyway_(live|test)_[0-9A-Za-z]{20,}/).count(), 0);
});
