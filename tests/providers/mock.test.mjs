// The npm package oauth2-mock-server as a provider that lies, stammers and falls over.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { words } from "../lib/person.mjs";
import { hs256WithPublicKey, mockProvider, rs256 } from "./mock.mjs";
import { faults, serve } from "./serve.mjs";
import { World, away, through, whoIsThere } from "./world.mjs";

const person = { sub: "1001", email: "ada@example.com", email_verified: true, name: "Ada" };
const long_enough_ms = 5_000;

async function start(t, ids) {
  const mocks = {};
  const world = await World.start(t, async () => {
    for (const id of ids) mocks[id] = await mockProvider(t, { person });
    return ids.map((id) => ({ id, kind: "oidc", issuer: mocks[id].issuer, client_id: "keyway" }));
  });
  world.leadsTo(...ids.map((id) => mocks[id].issuer));
  return { world, mocks };
}

const bent = {
  "wrong nonce": [({ claims }) => void (claims.nonce = "of-another-sign-in"), /belongs to another sign-in/],
  "no nonce": [({ claims }) => void delete claims.nonce, /belongs to another sign-in/],
  "expired": [({ claims }) => void (claims.exp = claims.iat - 3600), /has expired/],
  "alg=none": [(token) => ({ ...token, header: { alg: "none" }, signature: () => "" }), /algorithm is not accepted/],
  "HS256 with the public key": [
    (token, key) => ({ ...token, header: { ...token.header, alg: "HS256" }, signature: hs256WithPublicKey(key) }),
    /algorithm is not accepted/,
  ],
  "another's key": [
    (token) => ({ ...token, signature: rs256(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey) }),
    /signature is wrong/,
  ],
  "an unknown key": [(token) => ({ ...token, header: { ...token.header, kid: "nobody-knows" } }), /key is unknown/],
  "wrong audience": [({ claims }) => void (claims.aud = "another-app"), /meant for another application/],
  "given to another": [({ claims }) => void Object.assign(claims, { aud: ["keyway", "another-app"], azp: "another-app" }), /given to another application|meant for another application/],
  "wrong issuer": [({ claims }) => void (claims.iss = "https://evil.example"), /another issuer's/],
  "wrong at_hash": [({ claims }) => void (claims.at_hash = "AAAAAAAAAAAAAAAAAAAAAA"), /another access token/],
  "from the future": [({ claims }) => void (claims.iat += 86_400), /from the future/],
  "none at all": [() => ({ missing: true }), /there is no ID token/],
};

test("an ID token that does not hold lets nobody in", async (t) => {
  const { world, mocks: { mock } } = await start(t, ["mock"]);
  for (const [name, [bend, why]] of Object.entries(bent)) {
    await t.test(name, async () => {
      const browser = world.browser();
      mock.bend = bend;
      const page = await through(browser, "mock");
      assert.equal(page.status, 400, words(page.text));
      assert.match(words(page.text).replaceAll("&#x27;", "'").replaceAll("&#39;", "'"), why);
      assert.equal(await whoIsThere(browser), undefined);
    });
  }
  await t.test("and one that does", async () => {
    mock.bend = undefined;
    const browser = world.browser();
    await through(browser, "mock");
    assert.equal(await whoIsThere(browser), person.email);
  });
});

test("userinfo about somebody else is not believed", async (t) => {
  const { world, mocks: { mock } } = await start(t, ["mock"]);
  const browser = world.browser();
  mock.bend = ({ claims }) => void (claims.sub = "another");
  const page = await through(browser, "mock");
  assert.match(words(page.text), /two different people/);
  assert.equal(await whoIsThere(browser), undefined);
});

test("a callback in the name of another issuer is not used", async (t) => {
  const { world, mocks: { mock } } = await start(t, ["mock"]);
  mock.bendCallback = (query) => query.set("iss", "https://evil.example");
  const page = await through(world.browser(), "mock");
  assert.equal(page.status, 400);
  assert.match(words(page.text), /comes from another provider/);
});

test("an address that is not verified at the provider and has an account here connects nothing", async (t) => {
  const { world, mocks: { mock } } = await start(t, ["mock"]);
  await world.person(person.email);
  mock.person.email_verified = false;
  const browser = world.browser();
  const page = await through(browser, "mock");
  assert.equal(page.status, 409, words(page.text));
  assert.equal(await whoIsThere(browser), undefined);
});

const paths = { "/.well-known/openid-configuration": "discovery", "/jwks": "keys", "/token": "token", "/userinfo": "userinfo" };
const ways = { 500: "500", garbage: "garbage", nothing: "nothing", silence: "silence", "10 MB": "large", redirect: "redirect" };

test("a provider that answers with nonsense, or not at all, is a clear page in good time", async (t) => {
  const combinations = Object.entries(paths).flatMap(([path, where]) =>
    Object.entries(ways).map(([way, short]) => ({ path, way, id: `${where}-${short}` })));
  const { world, mocks } = await start(t, combinations.map(({ id }) => id));
  const inside = await serve(t, () => (_, response) => response.writeHead(200, { "content-type": "application/json" }).end('{"hush":"hush"}'));
  for (const { path, way, id } of combinations) {
    await t.test(id, async () => {
      mocks[id].fail(path, way === "redirect" ? faults.redirect(inside.url) : faults[way]);
      const browser = world.browser();
      const began = Date.now();
      let page = await browser.submit(await browser.get("/sign-in"), `/connections/${id}/start`);
      if (page.status === 200) page = await browser.get(away(page));
      assert.ok([400, 502].includes(page.status), `${page.status}: ${words(page.text)}`);
      assert.ok(Date.now() - began < long_enough_ms, `took ${Date.now() - began} ms`);
      assert.doesNotMatch(page.text, /hush/);
      assert.match(words(page.text), /did not let you in/);
      assert.equal(await whoIsThere(browser), undefined);
    });
  }
  assert.equal(inside.count("GET /hush") + inside.count("POST /hush"), 0, "redirects are not followed");
});

test("a provider whose addresses are private is not called", async (t) => {
  const inside = { host: "10.0.0.1", metadata: "169.254.169.254", local: "[fd00::1]" };
  const mock = await mockProvider(t, { person });
  const world = await World.start(t, () => Object.entries(inside).map(([id, host]) => ({
    id, kind: "oauth2", client_id: "keyway",
    endpoints: { authorization: `${mock.url}/authorize`, token: `https://${host}/token`, userinfo: `${mock.url}/userinfo` },
  })));
  world.leadsTo(mock.issuer);
  for (const id of Object.keys(inside)) {
    const browser = world.browser();
    const page = await through(browser, id);
    assert.equal(page.status, 502, words(page.text));
    assert.match(words(page.text), /leads where this portal does not call/);
    assert.equal(await whoIsThere(browser), undefined);
  }
});
