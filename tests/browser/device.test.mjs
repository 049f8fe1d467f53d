// A device without a browser, and an app that wants its answer by a form.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { test } from "node:test";
import { Keyway, call, press, shot, signUp } from "./harness.mjs";

const client = "keyway-cli";
const grant = "urn:ietf:params:oauth:grant-type:device_code";

async function start(keyway) {
  const body = new URLSearchParams({ client_id: client, scope: "notes:read" });
  const answer = await fetch(`${keyway.portal}/oauth/device_authorization`, { method: "POST", body });
  assert.equal(answer.status, 200);
  const codes = await answer.json();
  const poll = () => keyway.token({ grant_type: grant, device_code: codes.device_code, client_id: client });
  return { codes, poll };
}

for (const javaScript of [true, false]) {
  test(`a device is connected ${javaScript ? "with" : "without"} scripts`, async (t) => {
    const keyway = await Keyway.start(t);
    const page = await keyway.page({ javaScript });
    await signUp(page);

    const { codes, poll } = await start(keyway);
    assert.equal((await poll()).body.error, "authorization_pending");
    await page.goto(codes.verification_uri_complete);
    assert.equal(await page.getByLabel("Code", { exact: true }).inputValue(), codes.user_code);
    if (javaScript) await shot(page, "device-code");
    await press(page, "Go on");
    await page.getByRole("heading", { name: "Connect Keyway command line?" }).waitFor();
    await page.getByText("only if you started this yourself").waitFor();
    await page.getByText("127.0.0.1").first().waitFor();
    if (javaScript) await shot(page, "device-consent");
    await press(page, "Authorize");
    await page.waitForURL("**/device/connected");
    const tokens = await poll();
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
    assert.equal((await call(`${keyway.api}/v1/whoami`, tokens.body.access_token)).status, 200);

    const second = await start(keyway);
    await page.goto("/device");
    await page.getByLabel("Code", { exact: true }).fill(second.codes.user_code.toLowerCase());
    await press(page, "Go on");
    await press(page, "Cancel");
    await page.waitForURL("**/device/refused");
    assert.equal((await second.poll()).body.error, "access_denied");
  });

  test(`an answer by form reaches the app ${javaScript ? "with" : "without"} scripts`, async (t) => {
    const keyway = await Keyway.start(t);
    let arrive;
    const back = new Promise((resolve) => (arrive = resolve));
    const server = createServer((request, response) => {
      let body = "";
      request.on("data", (chunk) => (body += chunk));
      request.on("end", () => {
        if (request.method === "POST") arrive(new URLSearchParams(body));
        response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><link rel=icon href=data:,><title>App</title><p>Signed in");
      });
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    const redirect = `http://127.0.0.1:${server.address().port}/callback`;
    keyway.allow(new URL(redirect).origin);
    const page = await keyway.page({ javaScript });
    await signUp(page);
    const verifier = randomBytes(32).toString("base64url");
    const query = new URLSearchParams({
      response_type: "code",
      response_mode: "form_post",
      client_id: client,
      redirect_uri: redirect,
      scope: "notes:read",
      state: "s1",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    });
    await page.goto(`/oauth/authorize?${query}`);
    await press(page, "Authorize");
    if (!javaScript) await press(page, "Go on to Keyway command line");
    const given = await back;
    assert.equal(given.get("state"), "s1");
    assert.equal(given.get("iss"), keyway.portal);
    const tokens = await keyway.token({
      grant_type: "authorization_code",
      code: given.get("code"),
      redirect_uri: redirect,
      code_verifier: verifier,
      client_id: client,
    });
    assert.equal(tokens.status, 200, JSON.stringify(tokens.body));
  });
}

test("keyway login --device gets its tokens by a code typed elsewhere", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  await signUp(page);
  const command = keyway.begin(["login", "--device", "--scope", "notes:read"]);
  t.after(() => command.kill());
  let printed = "";
  command.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
  const ended = new Promise((resolve) => command.on("close", resolve));
  const code = await new Promise((resolve, reject) => {
    let told = "";
    command.stderr.setEncoding("utf8").on("data", (text) => {
      told += text;
      const found = /^ *([A-Z]{4}-[A-Z]{4})$/m.exec(told);
      if (found) resolve(found[1]);
    });
    ended.then(() => reject(new Error(`it ended: ${told}`)));
  });
  await page.goto("/device");
  await page.getByLabel("Code", { exact: true }).fill(code);
  await press(page, "Go on");
  await press(page, "Authorize");
  await page.waitForURL("**/device/connected");
  assert.equal(await ended, 0);
  const tokens = JSON.parse(printed);
  assert.equal(tokens.client_id, client);
  assert.equal((await call(`${keyway.api}/v1/whoami`, tokens.access_token)).status, 200);
});
