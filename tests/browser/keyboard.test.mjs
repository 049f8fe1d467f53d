// Without a mouse: Tab, Shift+Tab, Space and Enter alone lead from the overview to a new key and its first answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Keyway, signUp } from "./harness.mjs";

const most_stops = 60;

// The name of what has the focus, as a screen reader says it, and whether the focus can be seen.
async function focused(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    const label = element.labels?.[0]?.innerText ?? element.getAttribute("aria-label") ?? element.innerText ?? "";
    const ring = (of) => of && getComputedStyle(of).outlineStyle !== "none" && getComputedStyle(of).outlineWidth !== "0px";
    return { name: label.trim().replaceAll(/\s+/g, " "), tag: element.tagName, seen: Boolean(ring(element) || ring(element.closest("label"))) };
  });
}

// Tabs until something of this name has the focus; every stop on the way shows where it is.
async function tabTo(page, name) {
  for (let stop = 0; stop < most_stops; stop += 1) {
    await page.keyboard.press("Tab");
    const at = await focused(page);
    if (at.tag === "BODY") continue;
    assert.ok(at.seen, `the focus on ${at.tag} "${at.name}" can be seen`);
    if (name.test(at.name)) return;
  }
  assert.fail(`no stop is named ${name}`);
}

test("a key is made and called with by the keyboard alone", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  await signUp(page);
  await page.goto("/");

  await page.keyboard.press("Tab");
  assert.equal((await focused(page)).name, "Skip to the content");
  await page.keyboard.press("Enter");
  await tabTo(page, /^Create key$/);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/keys/new");

  await tabTo(page, /^Name$/);
  await page.keyboard.press("ControlOrMeta+A");
  await page.keyboard.type("Typed, never clicked");
  await tabTo(page, /notes:write/);
  await page.keyboard.press("Space");
  await tabTo(page, /^90 days/);
  await page.keyboard.press("ArrowLeft");
  await tabTo(page, /^Create key$/);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/keys\/[^/]+\/shown$/);
  const facts = await page.getByRole("main").innerText();
  for (const wanted of ["Typed, never clicked", "notes:read", "notes:write", "in 60 days"]) {
    assert.ok(facts.includes(wanted), `${wanted} in ${facts}`);
  }

  await tabTo(page, /^Copy$/);
  await page.keyboard.press("Space");
  await tabTo(page, /^Send first call$/);
  await page.keyboard.press("Enter");
  await page.locator("#first-call [data-status]").filter({ hasText: /^200/ }).waitFor();

  await page.goto("/keys");
  await tabTo(page, /^Typed, never clicked$/);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/keys\/[^/]+$/);
});

test("a dialog takes the focus to Cancel, Escape closes it, and the focus goes back", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  await signUp(page);
  const { id } = await keyway.run(["key", "create", "--user", "ada@example.com", "--name", "Kept", "--scope", "notes:read"]);
  await page.goto(`/keys/${id}/settings`);
  await tabTo(page, /^Revoke key$/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  assert.equal((await focused(page)).name, "Cancel");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await focused(page)).name, "Revoke key");
});

test("whoever asks for less motion gets none", async (t) => {
  const keyway = await Keyway.start(t);
  const page = await keyway.page();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto("/dev/gallery");
  const moving = await page.locator("*").evaluateAll((all) => all
    .filter((element) => {
      const style = getComputedStyle(element);
      return style.animationName !== "none" || style.transitionDuration.split(", ").some((span) => span !== "0s");
    })
    .map((element) => element.outerHTML.slice(0, 80)));
  assert.deepEqual(moving, []);
});
