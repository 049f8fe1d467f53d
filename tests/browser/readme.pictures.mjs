// The README's pictures, taken by scripts/screenshots. Not a test of its own: the name keeps it out of the test run.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Keyway, press, signUp } from "./harness.mjs";

const folder = join(import.meta.dirname, "screenshots");

test("the first call", async (t) => {
  await mkdir(folder, { recursive: true });
  const keyway = await Keyway.start(t);
  const page = await keyway.page({ viewport: { width: 1120, height: 720 } });
  await signUp(page);
  await press(page, "Create key");
  await page.getByRole("main").getByRole("button", { name: "Create key", exact: true }).click();
  await press(page, "Send first call");
  await page.getByRole("main").getByText(/\b200\b/).first().waitFor();
  await page.screenshot({ path: join(folder, "readme-first-call.png"), animations: "disabled" });
});
