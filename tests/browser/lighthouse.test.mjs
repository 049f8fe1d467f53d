// Google's Lighthouse on the pages that people see first and most. Its four figures are printed; those that do not
// depend on the machine are asserted.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import lighthouse from "lighthouse";
import { chromium } from "playwright-core";
import { Keyway, browser_options, signUp } from "./harness.mjs";

const least = 95;
const asserted = ["accessibility", "best-practices"];
const categories = ["performance", ...asserted, "seo"];

// Lighthouse drives a browser over its debugging port, with the cookies of its default profile.
async function browser(t, baseURL) {
  const port = await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
  const profile = await mkdtemp(join(tmpdir(), "keyway-lighthouse-"));
  const options = { ...browser_options, args: [...browser_options.args, `--remote-debugging-port=${port}`], baseURL };
  const context = await chromium.launchPersistentContext(profile, options);
  t.after(async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  });
  return { context, port };
}

test("sign-in, overview and keys are accessible and well-built", async (t) => {
  const keyway = await Keyway.start(t);
  const { context, port } = await browser(t, keyway.portal);
  const look = async (path) => {
    const { lhr } = await lighthouse(`${keyway.portal}${path}`, {
      port, onlyCategories: categories, disableStorageReset: true, logLevel: "error", output: "json",
    });
    assert.equal(new URL(lhr.finalDisplayedUrl).pathname, path);
    const figures = categories.map((name) => [name, Math.round(lhr.categories[name].score * 100)]);
    t.diagnostic(`${path}: ${figures.map(([name, figure]) => `${name} ${figure}`).join(", ")}`);
    for (const [name, figure] of figures.filter(([name]) => asserted.includes(name))) {
      const failed = lhr.categories[name].auditRefs.filter(({ id }) => lhr.audits[id].score === 0).map(({ id }) => id);
      assert.ok(figure >= least, `${path}: ${name} is ${figure}; ${failed.join(", ")}`);
    }
  };
  await look("/sign-in");
  const page = await context.newPage();
  await signUp(page);
  await keyway.run(["key", "create", "--user", "ada@example.com", "--name", "Nightly export", "--scope", "notes:read"]);
  await page.close();
  await look("/");
  await look("/keys");
});
