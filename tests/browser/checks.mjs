// What every page has to stand, whoever it is for: both colour schemes, a wide screen and a phone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Everything that a page needs to be shown, as it travels.
const most_bytes = 60_000;

export const looks = ["light", "dark"].flatMap((scheme) => [
  { name: `wide-${scheme}`, scheme, viewport: { width: 1440, height: 900 } },
  { name: `phone-${scheme}`, scheme, viewport: { width: 375, height: 812 } },
]);

// Shows the page in each look and runs `act` there; leaves it wide and light. Nothing is caught half-way to a colour.
export async function inEveryLook(page, act) {
  for (const look of [...looks.slice(1), looks[0]]) {
    await page.emulateMedia({ colorScheme: look.scheme, reducedMotion: "reduce" });
    await page.setViewportSize(look.viewport);
    await act(look);
  }
}

// No breach of axe's rules: WCAG 2.2 A and AA as far as a program can tell, and its good practice.
export async function isAccessible(page, where) {
  if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const found = violations.map(({ id, help, nodes }) =>
    `${id}: ${help}\n${nodes.slice(0, 3).map((node) => `    ${node.html.slice(0, 200)}\n    ${node.failureSummary.replaceAll("\n", " ")}`).join("\n")}`);
  assert.ok(found.length === 0, `${where}: ${found.join("\n  ")}`);
}

export async function fitsItsWidth(page, where) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${where} scrolls sideways by ${over} px`);
}

// Asked right after the page was loaded: how heavy it was, and whether anything on it moved by itself.
export async function isLightAndStill(page, where) {
  const { bytes, moved } = await page.evaluate(async () => {
    const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    const shifts = [];
    const observer = new PerformanceObserver((list) => shifts.push(...list.getEntries()));
    observer.observe({ type: "layout-shift", buffered: true });
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    shifts.push(...observer.takeRecords());
    return {
      bytes: loaded.reduce((sum, entry) => sum + entry.encodedBodySize, 0),
      moved: shifts.flatMap((shift) => shift.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? "something")),
    };
  });
  assert.ok(bytes > 0 && bytes <= most_bytes, `${where} weighs ${bytes} bytes`);
  assert.deepEqual(moved, [], `${where} moved by itself`);
  return bytes;
}
