// The harness is only worth something if it notices: each case must fail for its own reason.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Keyway, paste } from "./harness.mjs";

const stub = [process.execPath, join(import.meta.dirname, "stub.mjs")];

// A test context whose end is ours to look at.
async function outcome(path, env = {}) {
  const ends = [];
  const context = { after: (end) => ends.push(end) };
  const keyway = await Keyway.start(context, { command: stub, env });
  const page = await keyway.page();
  const visited = await page.goto(path, { waitUntil: "networkidle" }).catch((error) => error);
  try {
    for (const end of ends) await end();
    return visited instanceof Error ? visited.message : "passed";
  } catch (error) {
    return error.message + JSON.stringify(error.actual);
  }
}

test("a page with nothing wrong passes", async () => {
  assert.equal(await outcome("/good"), "passed");
});

test("an uncaught error fails the test", async () => {
  assert.match(await outcome("/throws"), /thrown by the page/);
});

test("a breach of the content security policy fails the test", async () => {
  assert.match(await outcome("/inline"), /Content Security Policy/);
});

test("a request to another host fails the test", async () => {
  assert.match(await outcome("/elsewhere"), /request to another host: http:\/\/elsewhere\.invalid/);
});

test("a missing file fails the test", async () => {
  assert.match(await outcome("/missing"), /404/);
});

test("an unclean exit fails the test", async () => {
  assert.match(await outcome("/good", { STUB_EXIT: "3" }), /exit code after SIGTERM/);
});

test("a server that does not start is said at once, with its words", async () => {
  const ends = [];
  const started = Keyway.start({ after: (end) => ends.push(end) }, { command: ["sh", "-c", "echo port taken >&2; exit 1"] });
  await assert.rejects(started, /ended at its start \(1\):\nport taken/);
  await assert.rejects(ends[0](), /exit code after SIGTERM/);
});

test("a pasted curl line keeps its own options and shows the status", async (t) => {
  const keyway = await Keyway.start(t, { command: stub });
  const { status, body } = await paste(`curl \\\n  --header 'Accept: */*' \\\n  '${keyway.portal}/readyz'`);
  assert.deepEqual({ status, body }, { status: 200, body: "ready" });
});
