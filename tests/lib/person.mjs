// Somebody with a browser that has cookies and forms, and nothing else: no JavaScript.

import assert from "node:assert/strict";
import { password } from "./server.mjs";

const most_redirects = 10;

export class Person {
  // As browsers keep them: by host and path, whatever the port.
  #cookies = [];
  #origins;

  // `elsewhere`: origins that redirects are followed to as well.
  constructor(portal, { elsewhere = [] } = {}) {
    this.portal = portal;
    this.#origins = new Set([portal, ...elsewhere]);
  }

  // A page, after the redirects; or where the browser is sent away to: another origin, or an address that `until`
  // knows.
  async get(address, { until } = {}) {
    return this.#follow(new URL(address, this.portal), {}, until);
  }

  // Fills in one of the page's forms, or the one with this action, and sends it.
  async submit(page, which, fields = {}, { until } = {}) {
    const form = typeof which === "string" ? page.forms.find((form) => form.action.startsWith(which)) : which;
    assert.ok(form, `no form for ${which} on:\n${page.text}`);
    const body = new URLSearchParams({ ...form.fields, ...fields });
    return this.#follow(new URL(form.action, page.url), { method: "POST", body }, until);
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

  async #follow(url, options, until = () => false) {
    for (let steps = 0; steps < most_redirects; steps += 1) {
      if (!this.#origins.has(url.origin) || until(url)) return url;
      const cookie = this.#cookiesFor(url);
      const headers = { accept: "text/html", ...(cookie && { cookie }) };
      const answer = await fetch(url, { ...options, headers, redirect: "manual" });
      for (const line of answer.headers.getSetCookie()) this.#keep(url, line);
      if (answer.status < 300 || answer.status > 399) {
        const text = await answer.text();
        return { status: answer.status, url, text, forms: forms(text) };
      }
      url = new URL(answer.headers.get("location"), url);
      options = {};
    }
    throw new Error(`too many redirects, at last to ${url}`);
  }

  #cookiesFor({ hostname, pathname }) {
    const covers = (path) => pathname === path || pathname.startsWith(path.endsWith("/") ? path : `${path}/`);
    const sent = this.#cookies.filter((cookie) => cookie.hostname === hostname && covers(cookie.path));
    return sent.map(({ name, value }) => `${name}=${value}`).join("; ");
  }

  // RFC 6265, section 5.3, as far as the servers here use it.
  #keep({ hostname, pathname }, line) {
    const [pair, ...rest] = line.split(";").map((part) => part.trim());
    const [name, value] = pair.split(/=(.*)/s);
    const attributes = Object.fromEntries(rest.map((part) => part.split(/=(.*)/s)).map(([key, value]) => [key.toLowerCase(), value ?? ""]));
    const path = attributes.path ?? pathname.slice(0, Math.max(pathname.lastIndexOf("/"), 1));
    this.#cookies = this.#cookies.filter((other) => other.hostname !== hostname || other.path !== path || other.name !== name);
    const over = Number(attributes["max-age"] ?? 1) <= 0 || new Date(attributes.expires ?? Infinity) < new Date();
    if (!over) this.#cookies.push({ hostname, path, name, value });
  }
}

// The forms of a page with what their hidden and filled fields hold, and what they say.
function forms(page) {
  return [...page.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, tag, inside]) => {
    const inputs = [...inside.matchAll(/<input\b([^>]*)>/gs)].map(([, input]) => input);
    const fields = inputs.filter((input) => attribute(input, "name")).map((input) => [attribute(input, "name"), attribute(input, "value") ?? ""]);
    return { action: attribute(tag, "action") ?? "", fields: Object.fromEntries(fields), text: words(inside) };
  });
}

// What people read of a page.
export const words = (page) => page.replaceAll(/<(style|script)\b.*?<\/\1>/gs, "").replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ").trim();

// An attribute of a tag, as its text.
export function attribute(tag, name) {
  const found = new RegExp(`\\b${name}="([^"]*)"`).exec(tag);
  return found?.[1].replaceAll(/&(#x?[0-9a-f]+|[a-z]+);/gi, (whole, entity) => {
    if (entity[0] !== "#") return { amp: "&", lt: "<", gt: ">", quot: '"' }[entity] ?? whole;
    return String.fromCodePoint(entity[1] === "x" ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1)));
  });
}
