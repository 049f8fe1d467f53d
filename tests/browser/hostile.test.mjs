// What people type runs nowhere: hostile names on every page that links lead to, in a browser that would run them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitsItsWidth } from "./checks.mjs";
import { Keyway, signUp } from "./harness.mjs";

const texts = [
  "<script>window.pwned=1</script>",
  "\"><img src=x onerror=window.pwned=1>",
  "{{7191*7}}${7191*7}",
  "=HYPERLINK(\"http://evil.example\")",
  "javascript:window.pwned=1",
  "' autofocus onfocus=window.pwned=1 x='",
  "W".repeat(100),
];

// Fills in the form of a page that posts to `action`, and sends it as its button does.
async function send(page, path, action, fields) {
  await page.goto(path);
  const sent = page.waitForNavigation();
  await page.evaluate(({ action, fields }) => {
    const form = document.querySelector(`main form[method="post"][action="${action}"]`);
    for (const [name, value] of Object.entries(fields)) {
      const field = form.elements[name];
      const ticked = [...form.querySelectorAll(`[name="${name}"]`)].find((one) => one.value === value);
      if (ticked?.matches("[type=checkbox], [type=radio]")) ticked.checked = true;
      else field.value = value;
    }
    form.requestSubmit();
  }, { action, fields });
  await sent;
}

async function ranNothing(page, where) {
  assert.equal(await page.evaluate(() => window.pwned), undefined, `${where}: a script ran`);
  assert.equal(await page.locator("img[src=x], [onerror], [onclick], [onfocus]").count(), 0, `${where}: markup came alive`);
  const live = await page.evaluate(() => [...document.querySelectorAll("[href], [action], [src]")]
    .flatMap((one) => ["href", "action", "src"].map((name) => one.getAttribute(name) ?? ""))
    .filter((address) => /^\s*javascript:/i.test(address)));
  assert.deepEqual(live, [], where);
}

test("hostile names run nothing on any page", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  // The page that shows a secret asks before it is left.
  page.on("dialog", (dialog) => dialog.accept());
  await signUp(page, { name: texts[0] });
  for (const text of texts) {
    await send(page, "/settings/profile", "/settings/profile", { name: text });
    await send(page, "/keys/new", "/keys", { name: text, note: text });
    assert.match(page.url(), /shown/);
    await ranNothing(page, "the page that shows a key");
    await send(page, "/tokens", "/tokens", { name: text, scope: "notes:read" });
    assert.match(page.url(), /shown/);
    await ranNothing(page, "the page that shows a pair");
    await send(page, "/apps/new", "/apps", {
      name: text, kind: "public", scope: "notes:read", redirect_uris: `${keyway.api}/callback`, website: "https://app.example.com",
    });
    const app = new URL(page.url()).pathname.split("/")[2];
    const query = new URLSearchParams({
      response_type: "code", client_id: app, redirect_uri: `${keyway.api}/callback`, scope: "notes:read", state: text,
      code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", code_challenge_method: "S256",
    });
    await page.goto(`/oauth/authorize?${query}`);
    await ranNothing(page, "the consent page");
  }
  const waiting = ["/"];
  const seen = new Set();
  while (waiting.length > 0) {
    const path = waiting.shift();
    const base = path.split("?")[0].replace(/[0-9a-f-]{36}/g, "id");
    if (seen.has(path) || [...seen].filter((one) => one.split("?")[0].replace(/[0-9a-f-]{36}/g, "id") === base).length > texts.length) continue;
    seen.add(path);
    await page.goto(path);
    await ranNothing(page, path);
    await page.setViewportSize({ width: 375, height: 812 });
    await fitsItsWidth(page, path);
    await page.setViewportSize({ width: 1280, height: 800 });
    const links = await page.locator("a[href^='/']").evaluateAll((all) => all.map((one) => one.getAttribute("href").split("#")[0]));
    waiting.push(...links.filter((link) => !link.startsWith("//") && !/\.csv|\/static\/|download/.test(link)));
  }
  for (const path of ["/keys", "/tokens", "/apps", "/audit", "/settings/profile", "/dev/mail"]) {
    if (!seen.has(path)) {
      await page.goto(path);
      await ranNothing(page, path);
    }
  }
  assert.ok(seen.size > 40, `${seen.size} pages`);
});
