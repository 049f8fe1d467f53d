// A JWT pair from the dashboard: shown once, called with, refreshed, and ended when a refresh token comes twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Keyway, call, paste, press, refresh, shot, signUp } from "./harness.mjs";

const jwt = /^[\w-]+\.[\w-]+\.[\w-]+$/;

async function mintPair(page) {
  await signUp(page);
  await page.goto("/tokens");
  await page.getByLabel("Name", { exact: true }).fill("Nightly report");
  await press(page, "Mint JWT");
  await page.waitForURL(/\/tokens\/[^/]+\/shown$/);
  const pair = { access: await page.locator("#access").innerText(), refresh: await page.locator("#refresh").innerText() };
  assert.match(pair.access, jwt);
  assert.match(pair.refresh, /^keyway_rt_/);
  return pair;
}

test("a minted pair calls, is refreshed twice, and a refresh token that comes again ends it", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  const first = await mintPair(page);
  await shot(page, "jwt-shown");
  const whoami = `${keyway.api}/v1/whoami`;

  const answered = await call(whoami, first.access);
  assert.equal(answered.status, 200);
  assert.equal(answered.body.method, "jwt");
  const second = await refresh(keyway, first.refresh);
  assert.equal(second.status, 200);
  assert.equal((await call(whoami, second.body.access_token)).status, 200);
  const third = await refresh(keyway, second.body.refresh_token);
  assert.equal(third.status, 200);

  const again = await refresh(keyway, first.refresh);
  assert.deepEqual([again.status, again.body.error], [400, "invalid_grant"]);
  for (const token of [first.access, second.body.access_token, third.body.access_token]) {
    assert.equal((await call(whoami, token)).status, 401, "an access token of an ended family");
  }
  assert.equal((await refresh(keyway, third.body.refresh_token)).status, 400);

  await page.goto("/tokens");
  await page.getByRole("cell", { name: "Stolen" }).waitFor();
  await shot(page, "jwt-list");
});

test("the page makes the first call and gives the next pair", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  const first = await mintPair(page);
  await page.getByRole("button", { name: "Send first call" }).click();
  await page.locator("#first-call [data-status]").filter({ hasText: /^200/ }).waitFor();
  page.on("dialog", (dialog) => dialog.accept());
  await page.getByRole("button", { name: "Refresh now" }).click();
  await page.waitForFunction((token) => document.querySelector("#refresh")?.textContent !== token, first.refresh);
  assert.equal((await call(`${keyway.api}/v1/whoami`, await page.locator("#access").innerText())).status, 200);
  await page.reload();
  await page.getByRole("heading", { name: "Already shown" }).waitFor();
});

test("without JavaScript both curls on the page, pasted, answer 200, and revoking ends the pair", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page({ javaScript: false });
  const first = await mintPair(page);
  const family = new URL(page.url()).pathname.split("/")[2];
  for (const id of ["#curl", "#refresh-curl"]) {
    const { status, body } = await paste(await page.locator(id).innerText());
    assert.equal(status, 200, body);
  }
  await page.goto("/tokens");
  await page.locator(`a[href="/tokens/${family}/revoke"]`).click();
  await press(page, "Revoke tokens");
  await page.getByRole("cell", { name: "Revoked" }).waitFor();
  const { status, body } = await call(`${keyway.api}/v1/whoami`, first.access);
  assert.deepEqual([status, body.code], [401, "revoked"]);
});
