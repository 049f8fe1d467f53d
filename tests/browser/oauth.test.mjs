// An app of somebody's, from its registration to the consent taken back.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { Keyway, call, press, refresh, shot, signUp } from "./harness.mjs";

// The app's own web server: waits for the user to come back.
async function app(t) {
  let arrive;
  const back = new Promise((resolve) => (arrive = resolve));
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    if (url.pathname === "/callback") arrive(url.searchParams);
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><link rel=icon href=data:,><title>App</title><p>Signed in");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return { redirect: `http://127.0.0.1:${server.address().port}/callback`, back };
}

async function register(page, redirect, { kind, format }) {
  await page.goto("/apps/new");
  await page.getByLabel("Name", { exact: true }).fill("Notes for Mac");
  await page.locator(`input[name=kind][value=${kind}]`).check();
  await page.getByLabel("Redirect URIs").fill(redirect);
  await page.locator("input[name=scope][value='notes:read']").check();
  await page.locator(`input[name=token_format][value=${format}]`).check();
  await press(page, "Register app");
  if (kind === "public") {
    await page.waitForURL((url) => /^\/apps\/[^/]+$/.test(url.pathname) && url.pathname !== "/apps/new");
    return { client: await page.locator("#client-id").innerText() };
  }
  await page.waitForURL(/\/apps\/[^/]+\/secrets\/shown$/);
  return { client: new URL(page.url()).pathname.split("/")[2], secret: await page.locator("#secret").innerText() };
}

for (const { kind, format } of [{ kind: "public", format: "opaque" }, { kind: "confidential", format: "jwt" }]) {
  test(`a ${kind} app gets a code and ${format} tokens, which end with the consent`, async (t) => {
    const keyway = await Keyway.start(t);
    const { redirect, back } = await app(t);
    keyway.allow(new URL(redirect).origin);
    const page = await keyway.page();
    page.on("dialog", (dialog) => dialog.accept());
    await signUp(page);
    const { client, secret } = await register(page, redirect, { kind, format });

    const verifier = randomBytes(32).toString("base64url");
    const state = randomBytes(16).toString("base64url");
    const query = new URLSearchParams({
      response_type: "code",
      client_id: client,
      redirect_uri: redirect,
      scope: "notes:read",
      state,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    });
    await page.goto(`/oauth/authorize?${query}`);
    await page.getByRole("heading", { name: "Authorize Notes for Mac?" }).waitFor();
    await page.getByText("127.0.0.1").first().waitFor();
    await shot(page, `consent-${kind}`);
    await page.getByRole("button", { name: "Authorize", exact: true }).click();
    const given = await back;
    assert.equal(given.get("state"), state);
    assert.equal(given.get("iss"), keyway.portal);

    const redeem = () => keyway.token({
      grant_type: "authorization_code",
      code: given.get("code"),
      redirect_uri: redirect,
      code_verifier: verifier,
      client_id: client,
    }, secret);
    const tokens = await redeem();
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
    assert.equal(tokens.body.token_type, "Bearer");
    const whoami = `${keyway.api}/v1/whoami`;
    const answered = await call(whoami, tokens.body.access_token);
    assert.equal(answered.status, 200);
    const next = await refresh(keyway, tokens.body.refresh_token, client, secret);
    assert.equal(next.status, 200, JSON.stringify(next.body));
    assert.equal((await call(whoami, next.body.access_token)).status, 200);

    await page.goto("/authorized");
    await page.getByRole("link", { name: "Revoke access of Notes for Mac" }).click();
    await page.getByRole("button", { name: "Revoke access", exact: true }).click();
    await page.getByText("You have not authorised any app.").waitFor();
    for (const token of [tokens.body.access_token, next.body.access_token]) {
      assert.equal((await call(whoami, token)).status, 401, "after the consent was taken back");
    }
    assert.equal((await refresh(keyway, next.body.refresh_token, client, secret)).status, 400);
  });
}

test("whoever presses Cancel sends the app away empty-handed", async (t) => {
  const keyway = await Keyway.start(t);
  const { redirect, back } = await app(t);
  keyway.allow(new URL(redirect).origin);
  const page = await keyway.page({ javaScript: false });
  await signUp(page);
  const { client } = await register(page, redirect, { kind: "public", format: "opaque" });
  const query = new URLSearchParams({
    response_type: "code",
    client_id: client,
    redirect_uri: redirect,
    scope: "notes:read",
    code_challenge: createHash("sha256").update("x".repeat(43)).digest("base64url"),
    code_challenge_method: "S256",
  });
  await page.goto(`/oauth/authorize?${query}`);
  await page.getByRole("button", { name: "Cancel", exact: true }).click();
  const given = await back;
  assert.equal(given.get("error"), "access_denied");
  assert.equal(given.get("code"), null);
});
