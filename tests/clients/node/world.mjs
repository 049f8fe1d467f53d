// What the tests of clients share: a server without limits, people who sign in and consent with plain forms (no
// JavaScript), and apps registered by the operator.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as client from "openid-client";
import { Server, password } from "../../lib/server.mjs";

export const callback = "https://app.example.com/callback";
export const left = "https://app.example.com/left";

const lifted = ["credential", "owner", "app", "sign_in", "unknown_credentials", "authorize", "token", "introspect",
  "revoke", "userinfo", "par", "device", "register"];
const unlimited = Object.fromEntries(lifted.map((name) => [`KEYWAY_LIMITS__${name.toUpperCase()}`, "off"]));

export class World extends Server {
  static async start(env = {}) {
    const world = new World();
    await world.start({ env: { ...unlimited, ...env } });
    return world;
  }

  // An app, made by the operator's command.
  register(...args) {
    return this.run(["client", "create", "--name", "Notebook", ...args]);
  }

  // One that users authorise.
  registerApp(...args) {
    return this.register("--redirect-uri", callback, "--scope", "notes:read", "--scope", "notes:write", ...args);
  }

  // What the library learns by itself from the documents of the server.
  discover({ client_id, client_secret }, auth, { algorithm = "oidc", metadata = {}, ...more } = {}) {
    const insecure = { execute: [client.allowInsecureRequests], algorithm, ...more };
    const how = auth ?? (client_secret === undefined ? client.None() : client.ClientSecretBasic(client_secret));
    return client.discovery(new URL(this.portal), client_id, { client_secret, ...metadata }, how, insecure);
  }

  async person(email) {
    const person = new Person(this.portal);
    const page = await person.get("/sign-up");
    await person.submit(page, "/sign-up", { name: "Ada Example", email, password });
    return person;
  }

  // A call of the sample API; its status and body.
  async call(token, path = "/v1/whoami") {
    const answer = await fetch(`${this.api}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return { status: answer.status, body: await answer.json() };
  }

  // What another process takes away is taken away here within a second.
  async refusedWithin(token, limit) {
    for (const until = Date.now() + limit; Date.now() < until; await new Promise((resolve) => setTimeout(resolve, 50))) {
      if ((await this.call(token)).status === 401) return true;
    }
    return false;
  }
}

// Somebody with a browser that has cookies and forms, and nothing else.
export class Person {
  #cookies = new Map();

  constructor(portal) {
    this.portal = portal;
  }

  // A page, after the redirects within the portal; or where the portal sends the browser away to.
  async get(address) {
    return this.#follow(new URL(address, this.portal), {});
  }

  // Fills in the page's form with this action and sends it.
  async submit(page, action, fields) {
    const form = page.forms.find((form) => form.action.startsWith(action));
    assert.ok(form, `no form for ${action} on:\n${page.text}`);
    const body = new URLSearchParams({ ...form.fields, ...fields });
    return this.#follow(new URL(form.action, this.portal), { method: "POST", body });
  }

  // Goes where an app sends its user, consents where that is asked, and gives what comes back to the app: an
  // address, or with response_mode=form_post the request that a browser would send there.
  async authorize(address, { decision = "allow" } = {}) {
    let page = await this.get(address);
    if (page.forms?.some((form) => form.action === "/fresh")) page = await this.submit(page, "/fresh", { password });
    if (page.forms?.some((form) => form.action === "/oauth/consent")) {
      page = await this.submit(page, "/oauth/consent", { decision });
    }
    if (page instanceof URL) return page;
    const post = page.forms.find((form) => !form.action.startsWith("/") && !form.action.startsWith(this.portal));
    assert.ok(post, `the browser stays on ${page.status}:\n${page.text}`);
    return new Request(post.action, { method: "POST", body: new URLSearchParams(post.fields) });
  }

  // Types the code that a device shows, and says yes or no.
  async connect(userCode, decision = "allow") {
    const page = await this.submit(await this.get("/device"), "/device", { user_code: userCode });
    return this.submit(page, "/device/decision", { decision });
  }

  async #follow(url, options) {
    for (let steps = 0; steps < 10; steps += 1) {
      if (url.origin !== this.portal) return url;
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const headers = { accept: "text/html", ...(cookie && { cookie }) };
      const answer = await fetch(url, { ...options, headers, redirect: "manual" });
      for (const line of answer.headers.getSetCookie()) {
        const [name, value] = line.split(";")[0].split(/=(.*)/s);
        this.#cookies.set(name, value);
      }
      if (answer.status < 300 || answer.status > 399) {
        const text = await answer.text();
        return { status: answer.status, text, forms: forms(text) };
      }
      url = new URL(answer.headers.get("location"), url);
      options = {};
    }
    throw new Error(`too many redirects, at last to ${url}`);
  }
}

// The forms of a page with what their hidden and filled fields hold.
function forms(page) {
  return [...page.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, tag, inside]) => {
    const inputs = [...inside.matchAll(/<input\b([^>]*)>/gs)].map(([, input]) => input);
    const fields = inputs.filter((input) => attribute(input, "name")).map((input) => [attribute(input, "name"), attribute(input, "value") ?? ""]);
    return { action: attribute(tag, "action") ?? "", fields: Object.fromEntries(fields) };
  });
}

function attribute(tag, name) {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(tag);
  return found?.[1].replaceAll(/&(#x?[0-9a-f]+|[a-z]+);/gi, (whole, entity) => {
    if (entity[0] !== "#") return { amp: "&", lt: "<", gt: ">", quot: '"' }[entity] ?? whole;
    return String.fromCodePoint(entity[1] === "x" ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1)));
  });
}

// How clients make keys for each algorithm, and how WebCrypto calls it.
export const signing = {
  ES256: { make: ["ec", { namedCurve: "P-256" }], subtle: { name: "ECDSA", namedCurve: "P-256" } },
  EdDSA: { make: ["ed25519", {}], subtle: { name: "Ed25519" } },
  RS256: { make: ["rsa", { modulusLength: 2048 }], subtle: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" } },
  PS256: { make: ["rsa", { modulusLength: 2048 }], subtle: { name: "RSA-PSS", hash: "SHA-256" } },
};

// An app's key pair: the private half for the library, a file with the public one for us.
export async function keyPair(world, algorithm) {
  const { make, subtle } = signing[algorithm];
  const { privateKey, publicKey } = generateKeyPairSync(...make);
  const file = join(world.dataDir, `${algorithm}.jwks`);
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: algorithm, alg: algorithm, use: "sig" };
  await writeFile(file, JSON.stringify({ keys: [jwk] }));
  const pkcs8 = privateKey.export({ format: "der", type: "pkcs8" });
  return { file, privateKey, key: { key: await crypto.subtle.importKey("pkcs8", pkcs8, subtle, false, ["sign"]), kid: algorithm } };
}

// What a person who consents sends the app, and what the app checks it by.
export async function authorize(config, person, more = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: "notes:read",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state,
    ...more,
  });
  const back = await person.authorize(address);
  return { back, checks: { pkceCodeVerifier: verifier, expectedState: state } };
}

// The error that a promise must end with.
export async function refused(promise, expected) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.error ?? error.cause?.error ?? error.code, expected, String(error.stack));
    return true;
  });
}
