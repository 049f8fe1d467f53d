// What the tests of providers share: a Keyway whose settings name them, and people who go there and come back.

import assert from "node:assert/strict";
import { Person, attribute, words } from "../lib/person.mjs";
import { Server, password, unlimited } from "../lib/server.mjs";

export class World extends Server {
  #origins = [];

  // `providers`: the settings of each, from the portal's address.
  static async start(t, providers, { env = {}, ...more } = {}) {
    const world = new World();
    t.after(() => world.stop());
    await world.start({ env: { ...unlimited, ...env }, file: async (portal) => (await providers(portal)).map(toml).join("\n"), ...more });
    return world;
  }

  // Where browsers go besides the portal.
  leadsTo(...origins) {
    this.#origins.push(...origins);
  }

  browser() {
    return new Person(this.portal, { elsewhere: [...this.#origins, ...(this.demo ? [this.demo] : [])] });
  }

  // Somebody with an account and a password.
  async person(email, name = "Ada Example") {
    const person = this.browser();
    const page = await person.submit(await person.get("/sign-up"), "/sign-up", { name, email, password });
    assert.equal(page.status, 200, page.text);
    return person;
  }
}

// Where a provider sends browsers back to.
export const callbackOf = (portal, id) => `${portal}/connections/${id}/callback`;
export const isCallback = (url) => /^\/connections\/[^/]+\/callback$/.test(url.pathname);

// Presses the button of a provider; the address that the browser is sent to.
export async function leave(person, id, { from = "/sign-in", fields } = {}) {
  const page = await person.submit(await person.get(from), `/connections/${id}/start`, fields);
  return away(page);
}

// The page that moves on by itself.
export function away(page) {
  const [tag] = /<meta\b[^>]*http-equiv="refresh"[^>]*>/.exec(page.text) ?? [];
  assert.ok(tag, `the browser stays on ${page.status}:\n${page.text}`);
  return new URL(attribute(tag, "content").split("url=")[1]);
}

// Goes to a provider and presses the button there of this name; without one, it asks nothing. What the browser shows
// at last, or the callback with `until`.
export async function arrive(person, address, { press, until } = {}) {
  const page = await person.get(address, { until });
  if (press === undefined) return page;
  const form = page.forms.find(({ text }) => text.includes(press));
  assert.ok(form, `no button ${press} on:\n${page.text}`);
  return person.submit(page, form, {}, { until });
}

// Signs up or in, or connects, at a provider: all of the above.
export async function through(person, id, { press, until, ...more } = {}) {
  return arrive(person, await leave(person, id, more), { press, until });
}

// The e-mail address of who is signed in; undefined if nobody is.
export async function whoIsThere(person) {
  const page = await person.get("/settings/profile");
  return page.url.pathname === "/settings/profile" ? /[\w.+-]+@[\w.-]+/.exec(words(page.text))?.[0] : undefined;
}

// A table of TOML. JSON's strings are TOML's.
function toml(provider) {
  const value = (given) =>
    given !== null && typeof given === "object" && !Array.isArray(given)
      ? `{ ${Object.entries(given).map(([name, inner]) => `${name} = ${value(inner)}`).join(", ")} }`
      : JSON.stringify(given);
  return ["[[providers]]", ...Object.entries(provider).map(([name, given]) => `${name} = ${value(given)}`), ""].join("\n");
}
