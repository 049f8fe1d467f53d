// A pasted JWT, decoded here. It goes nowhere.

const one = (selector) => document.querySelector(selector);
const field = one("[data-jwt]");
const times = { iat: "Issued", nbf: "Not before", exp: "Ends", auth_time: "Signed in" };
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const skew = document.documentElement.dataset.now / 1000 - Date.now();

const decode = (part) => {
  const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("no object");
  return value;
};

const human = (seconds) => {
  const at = new Date(seconds * 1000);
  if (typeof seconds !== "number" || Number.isNaN(at.getTime())) return "not a time";
  const left = Math.trunc(seconds - (Date.now() + skew) / 1000);
  const [unit, size] = units.find(([, size]) => Math.abs(left) >= size) ?? units[3];
  const n = Math.trunc(Math.abs(left) / size);
  const span = `${n} ${unit}${n === 1 ? "" : "s"}`;
  const when = n === 0 ? "now" : left < 0 ? `${span} ago` : `in ${span}`;
  return `${at.toISOString().replace("T", " ").slice(0, 19)} UTC (${when})`;
};

const row = (name, text) => {
  const [dt, dd] = ["dt", "dd"].map((tag) => document.createElement(tag));
  dt.textContent = name;
  dd.textContent = text;
  return [dt, dd];
};

const facts = (header, claims) => [
  ["Signed with", `${header.alg ?? "nothing named"}, key ${header.kid ?? "not named"}`],
  ["Issuer", claims.iss], ["Subject", claims.sub], ["For", claims.aud && [claims.aud].flat().join(", ")],
  ["Scopes", typeof claims.scope === "string" ? claims.scope.split(" ").join(", ") : claims.scope],
  ...Object.entries(times).filter(([name]) => name in claims).map(([name, label]) => [label, human(claims[name])]),
].filter(([, text]) => text !== undefined).flatMap(([name, text]) => row(name, String(text)));

const show = () => {
  const parts = field.value.trim().split(".");
  let problem = field.value.trim() ? "" : "Nothing is pasted yet.";
  try {
    if (!problem && parts.length !== 3) throw new TypeError("no JWT");
    if (!problem) {
      const [header, claims] = parts.slice(0, 2).map(decode);
      one("#jwt-header").textContent = JSON.stringify(header, null, 2);
      one("#jwt-claims").textContent = JSON.stringify(claims, null, 2);
      one("[data-jwt-facts]").replaceChildren(...facts(header, claims));
    }
  } catch {
    problem = "This is no JWT: three parts with dots between, the first two of them JSON in base64url.";
  }
  one("[data-jwt-problem]").textContent = problem;
  one("[data-jwt-problem]").hidden = !problem;
  one("[data-jwt-parts]").hidden = Boolean(problem);
};

field.addEventListener("input", show);
show();
