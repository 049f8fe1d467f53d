// Pages work without this; each part looks for its own data attribute.

const root = document.documentElement;

const one = (selector) => document.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const text = (selector) => one(selector).textContent.trim();
const click = (selector, act) =>
  document.addEventListener("click", (event) => {
    const target = event.target.closest(selector);
    if (target) act(target, event);
  });
const say = (words) => {
  one("#live").textContent = "";
  setTimeout(() => (one("#live").textContent = words), 50);
};

// Secrets: copy, download, and one question before leaving without either.

let unsaved = Boolean(one("[data-unsaved-secret]"));

click("[data-copy]", async (button) => {
  try {
    await navigator.clipboard.writeText(text(button.dataset.copy));
  } catch {
    getSelection().selectAllChildren(one(button.dataset.copy));
    return say("Not copied");
  }
  unsaved = false;
  const label = button.querySelector("span");
  const before = (button.dataset.label ??= label.textContent);
  label.textContent = "Copied";
  say("Copied");
  setTimeout(() => (label.textContent = before), 2000);
});

click("[data-download]", (button) => {
  const href = URL.createObjectURL(new Blob([text(button.dataset.from), "\n"]));
  Object.assign(document.createElement("a"), { href, download: button.dataset.download }).click();
  URL.revokeObjectURL(href);
  unsaved = false;
});

addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
  unsaved = false;
});

// Times: the server's clock decides; the reader's may be wrong.

const skew = root.dataset.now / 1000 - Date.now();
const units = [["year", 31536000, 2], ["month", 2592000, 4], ["day", 86400, 2], ["hour", 3600, 1], ["minute", 60, 1], ["second", 1, 0]];
const span = (seconds) => {
  const [unit, size] = units.find(([, size, least]) => seconds >= size * least);
  const n = Math.round(seconds / size);
  return `${n} ${unit}${n === 1 ? "" : "s"}`;
};
const relative = (left) => (left > 0 ? `in ${span(left)}` : left > -10 ? "just now" : `${span(-left)} ago`);
const countdown = (left) => {
  const [h, m, s] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  return left <= 0 ? "no time at all" : h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
};
const tick = (selector, words) => () => {
  for (const e of all(selector)) e.textContent = words(Math.trunc((Date.parse(e.dateTime) - Date.now() - skew) / 1000));
};
setInterval(tick("[data-relative]", relative), 30000);
setInterval(tick("[data-countdown]", countdown), 1000);

// The first call goes from this page to the API itself.

const shown = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-Id"];

click("[data-first-call]", async (button) => {
  const { url, key } = button.dataset;
  let ok = false, status = "no answer", head = "", body = `Nothing came back from ${url}. Is the API running?`;
  button.disabled = true;
  try {
    const headers = { authorization: `Bearer ${text(key)}` };
    const answer = await fetch(url, { headers, credentials: "omit", cache: "no-store" });
    body = await answer.text();
    ok = answer.ok;
    status = `${answer.status} ${answer.statusText}`.trim();
    head = shown.filter((n) => answer.headers.has(n)).map((n) => `${n}: ${answer.headers.get(n)}`).join("\n");
    body = JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    // No answer, or not JSON.
  }
  const out = one("#first-call");
  out.className = `alert ${ok ? "ok" : "refused"}`;
  out.hidden = false;
  for (const [name, value] of Object.entries({ status, head, body })) out.querySelector(`[data-${name}]`).textContent = value;
  say(`The answer to the call: ${status}`);
  button.disabled = false;
});

// Forms

const access = ["none", "read", "write", "admin"];
const changed = (element) => element.dispatchEvent(new Event("input", { bubbles: true }));

click("[data-preset]", (button) => {
  for (const box of all("[data-access]", button.closest("fieldset"))) {
    box.checked = access.indexOf(box.dataset.access) <= access.indexOf(button.dataset.preset);
  }
  changed(button);
});

click("[data-append]", (button) => {
  const area = one(button.dataset.append);
  area.value = [...new Set([...area.value.split(/[\s,]+/).filter(Boolean), button.dataset.value])].join("\n");
  changed(area);
});

click("[data-dismiss]", (button) => button.closest(".alert").remove());

for (const line of all("[data-summary]")) {
  const form = line.closest("form");
  const picked = (name) => all(`[name="${name}"]:checked`, form);
  const write = () => {
    const may = new Intl.ListFormat("en-GB").format(picked("scope").map((box) => box.dataset.plain));
    const [expiry] = picked("expiry");
    const day = form.elements.expires_on.value || "a day to be chosen";
    const ends = expiry?.value === "custom" ? `expires on ${day}` : expiry?.dataset.plain;
    const from = form.elements.addresses.value.trim() ? "from the listed addresses only" : "from any address";
    line.textContent = `A ${picked("environment")[0]?.value} key that may ${may || "do nothing yet"}; ${ends}; ${from}.`;
  };
  form.addEventListener("input", write);
  write();
}

// A confirmation page becomes a dialog; any other is followed as a link.

click("a[data-dialog]", async (link, event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const page = await fetch(link.href).then((answer) => answer.text(), () => "");
  const form = new DOMParser().parseFromString(page, "text/html").querySelector("[data-confirm]");
  if (!form) return location.assign(link.href);
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.append(form);
  one("main").append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  const cancel = dialog.querySelector("[data-cancel]");
  cancel.addEventListener("click", (e) => (e.preventDefault(), dialog.close()));
  dialog.showModal();
  cancel.focus();
});
