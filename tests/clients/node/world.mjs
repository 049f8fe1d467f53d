// What the tests of clients share: a server without limits, people who sign in and consent with plain forms (no
// JavaScript), and apps registered by the operator.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as client from "openid-client";
import { Person } from "../../lib/person.mjs";
import { Server, password, unlimited } from "../../lib/server.mjs";

export const callback = "https://app.example.com/callback";
export const left = "https://app.example.com/left";

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
