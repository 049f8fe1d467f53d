// Visits every page that links lead to, as a stranger, a developer with something of everything, and an administrator:
// each answers 200, without a fault, is light and does not move; light and dark, on a wide screen and on a phone, it
// fits, is accessible, and has its picture taken.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitsItsWidth, inEveryLook, isAccessible, isLightAndStill } from "./checks.mjs";
import { Keyway, password, picture, signIn } from "./harness.mjs";

const most_pages = 60;
// Reached by no link from a page, or only from one that needs more than a press.
const strangers = ["/sign-in", "/sign-up"];
const developers = ["/", "/keys", "/tokens", "/apps", "/authorized", "/connections", "/settings/profile", "/dev/gallery"];

test("a stranger's pages", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  await crawl(t, keyway, page, strangers, "stranger");
});

test("a developer's pages, with something on each", async (t) => {
  const keyway = await Keyway.start(t);
  const email = "grace@example.com";
  await keyway.run(["user", "create", "--email", email, "--password-stdin"], { input: password });
  await fill(keyway, email);
  const page = await keyway.page();
  await signIn(page, { email });
  await crawl(t, keyway, page, developers, "developer");
});

test("an administrator's pages", async (t) => {
  const keyway = await Keyway.start(t);
  const email = "root@example.com";
  await keyway.run(["user", "create", "--email", email, "--admin", "--password-stdin"], { input: password });
  const page = await keyway.page();
  await signIn(page, { email });
  await crawl(t, keyway, page, ["/"], "administrator", (path) => path === "/" || path.startsWith("/admin"));
});

// Credentials in several states, made by the commands anyone has.
async function fill(keyway, email) {
  const key = (name, ...more) =>
    keyway.run(["key", "create", "--user", email, "--name", name, "--scope", "notes:read", ...more]);
  const { key: live } = await key("Nightly export");
  await key("Staging", "--test");
  const { id: revoked } = await key("Left over from the prototype");
  await keyway.run(["key", "revoke", revoked]);
  await keyway.run(["token", "mint", "--user", email, "--scope", "notes:read"]);
  await keyway.run(["client", "create", "--name", "Notebook", "--owner", email, "--scope", "notes:read",
    "--redirect-uri", "http://localhost:9999/callback"]);
  for (const path of ["/v1/whoami", "/v1/notes"]) {
    const answer = await fetch(keyway.api + path, { headers: { authorization: `Bearer ${live}` } });
    assert.equal(answer.status, 200);
  }
}

async function crawl(t, keyway, page, starts, who, wanted = () => true) {
  const waiting = [...starts];
  const seen = new Set(waiting.map(kind));
  const weights = [];
  const faults = [];
  const gather = (check) => check.catch((error) => (faults.push(error.message), 0));
  while (waiting.length > 0) {
    const path = waiting.shift();
    assert.ok(weights.length < most_pages, `more than ${most_pages} pages; last ${path}`);
    const answer = await page.goto(path);
    assert.match(answer.headers()["content-type"] ?? "", /^text\/html/, `${path} is a page`);
    assert.equal(answer.status(), 200, path);
    weights.push([await gather(isLightAndStill(page, path)), path]);
    const name = `${who}${kind(path).replaceAll(/[^a-z0-9]+/g, "-").replace(/-$/, "") || "-home"}`;
    await inEveryLook(page, async (look) => {
      await gather(fitsItsWidth(page, `${path}, ${look.name}`));
      await gather(isAccessible(page, `${path}, ${look.name}`));
      await picture(page, `${name}-${look.name}`);
    });
    // The gallery's links are samples.
    for (const link of path === "/dev/gallery" ? [] : await links(keyway, page)) {
      if (!seen.has(kind(link)) && wanted(link)) {
        seen.add(kind(link));
        waiting.push(link);
      }
    }
  }
  assert.ok(faults.length === 0, `${faults.length} faults:\n${faults.join("\n")}`);
  const [[bytes, path]] = weights.sort(([a], [b]) => b - a);
  t.diagnostic(`${weights.length} pages; the heaviest is ${path} with ${bytes} bytes`);
}

// Pages of one kind differ in an id or in a filter: one of each is looked at.
function kind(path) {
  const { pathname } = new URL(path, "http://localhost");
  return pathname.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "id").toLowerCase();
}

// Same-origin links to pages; downloads and documents (a name with a dot) are not pages.
async function links(keyway, page) {
  const found = await page.locator("a[href]:not([download])").evaluateAll((all) => all.map((link) => link.href));
  return found
    .map((href) => new URL(href))
    .filter(({ origin, pathname }) => origin === keyway.portal && !pathname.split("/").at(-1).includes("."))
    .map(({ pathname, search }) => pathname + search);
}
