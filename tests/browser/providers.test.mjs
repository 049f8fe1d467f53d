// Signing in with other providers: the demo provider of `keyway dev` alone, and the npm package oidc-provider beside it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { oidcProvider, secret } from "../providers/oidc.mjs";
import { Keyway, press, shot } from "./harness.mjs";

const people = { ada: { name: "Ada", preferred_username: "ada", email: "ada@acme.example", email_verified: true } };

async function start(t, options = {}) {
  const keyway = await Keyway.start(t, { demo: true, ...options });
  keyway.allow(keyway.demo);
  return keyway;
}

// From a page with the provider's button to the end of the way there and back.
async function through(page, keyway, button, account) {
  await press(page, button);
  if (account) await page.getByRole("button", { name: `Continue as ${account}` }).click();
  await page.waitForURL((url) => url.origin === keyway.portal && !url.pathname.endsWith("/start"));
}

async function whoIsThere(page) {
  await page.goto("/settings/profile");
  return page.getByRole("main").innerText();
}

for (const javaScript of [true, false]) {
  test(`with keyway dev alone somebody signs up through the demo provider, and in again ${javaScript ? "" : "without scripts"}`.trim(), async (t) => {
    const keyway = await start(t);
    const page = await keyway.page({ javaScript });
    await page.goto("/sign-up");
    await press(page, /Demo identity provider/);
    await page.getByRole("heading", { name: "Choose an account" }).waitFor();
    assert.equal(new URL(page.url()).origin, keyway.demo);
    if (javaScript) await shot(page, "demo-sign-in");
    await page.getByRole("button", { name: "Continue as Ada" }).click();
    await page.waitForURL((url) => url.origin === keyway.portal);
    assert.match(await whoIsThere(page), /ada@demo\.example/);

    // Still signed in after a look at the provider's own pages: one host, two ports.
    await page.goto(keyway.demo);
    await page.goto(keyway.portal);
    assert.match(await whoIsThere(page), /ada@demo\.example/);

    await page.context().clearCookies();
    await page.goto("/sign-in");
    if (javaScript) await shot(page, "sign-in-with-providers");
    await through(page, keyway, /Demo identity provider/, "Ada");
    assert.match(await whoIsThere(page), /ada@demo\.example/);

    await page.goto("/connections");
    if (javaScript) await shot(page, "connections-last-way-in");
    assert.match(await page.getByRole("main").innerText(), /only way in/i);
    keyway.expectFault(/status of 422/);
    await page.goto("/connections/demo/disconnect");
    await press(page, "Disconnect");
    assert.match(await page.getByRole("main").innerText(), /only way in/i);
  });
}

test("a second provider is connected, one of both is disconnected, the last is not", async (t) => {
  let provider;
  const keyway = await start(t, {
    file: async (portal) => {
      provider = await oidcProvider(t, { people, redirect: `${portal}/connections/acme/callback` });
      return ["[[providers]]", 'id = "acme"', 'kind = "oidc"', 'label = "Acme"', `issuer = "${provider.issuer}"`,
        'client_id = "keyway"', `client_secret = "${secret}"`].join("\n");
    },
  });
  keyway.allow(provider.issuer);
  const page = await keyway.page();
  await page.goto("/sign-up");
  await through(page, keyway, /Demo identity provider/, "Grace");
  await page.goto("/connections");
  await shot(page, "connections-one");
  await through(page, keyway, /Acme/, "Ada");
  assert.match(await page.getByRole("main").innerText(), /Acme is connected/);
  await shot(page, "connections-two");

  await page.goto("/connections/demo/disconnect");
  await press(page, "Disconnect");
  assert.match(await page.locator("body").innerText(), /is disconnected/);
  keyway.expectFault(/status of 422/);
  await page.goto("/connections/acme/disconnect");
  await press(page, "Disconnect");
  assert.match(await page.getByRole("main").innerText(), /only way in/i);

  await page.context().clearCookies();
  await page.goto("/sign-in");
  await through(page, keyway, /Acme/, "Ada");
  assert.match(await whoIsThere(page), /grace@demo\.example/);
});
