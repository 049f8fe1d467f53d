// Makes pages that already work quicker to use. Each part looks for its own data attribute.

const root = document.documentElement;
root.classList.add("js");

const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const one = (selector) => document.querySelector(selector);
const on = (type, selector, act) =>
  document.addEventListener(type, (event) => {
    const target = event.target.closest?.(selector);
    if (target) act(target, event);
  });

const say = (text) => {
  const live = one("#live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text));
};

// The server's clock decides; the reader's may be wrong.
const skew = Number(root.dataset.now) / 1000 - Date.now();
const now = () => Date.now() + skew;

// Copy, and the download of a secret. Either one settles the question below.

let unsaved = Boolean(one("[data-unsaved-secret]"));

on("click", "[data-copy]", async (button) => {
  const text = one(button.dataset.copy).textContent.trim();
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    getSelection().selectAllChildren(one(button.dataset.copy));
    return say("Press Ctrl and C to copy");
  }
  unsaved = false;
  const label = button.querySelector("span") ?? button;
  const before = (button.dataset.label ??= label.textContent);
  label.textContent = "Copied";
  say("Copied");
  setTimeout(() => (label.textContent = before), 2000);
});

on("click", "[data-download]", (button) => {
  const url = URL.createObjectURL(new Blob([one(button.dataset.from).textContent.trim() + "\n"]));
  Object.assign(document.createElement("a"), { href: url, download: button.dataset.download }).click();
  URL.revokeObjectURL(url);
  unsaved = false;
});

addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
  unsaved = false;
});

// Times

const units = [
  ["year", 31536000, 2], ["month", 2592000, 4], ["day", 86400, 2], ["hour", 3600, 1], ["minute", 60, 1], ["second", 1, 0],
];
const span = (seconds) => {
  const [unit, size] = units.find(([, size, least]) => seconds >= size * least);
  const n = Math.floor(seconds / size);
  return `${n} ${unit}${n === 1 ? "" : "s"}`;
};
const relative = (at) => {
  const seconds = Math.trunc((at - now()) / 1000);
  if (seconds > 0) return `in ${span(seconds)}`;
  return seconds > -10 ? "just now" : `${span(-seconds)} ago`;
};
const countdown = (at) => {
  const left = Math.max(0, Math.floor((at - now()) / 1000));
  const [h, m, s] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  if (left === 0) return "over";
  return h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${s} s` : `${s} s`;
};
const tick = () => {
  for (const e of all("time[data-relative]")) e.textContent = relative(Date.parse(e.dateTime));
  for (const e of all("time[data-countdown]")) e.textContent = countdown(Date.parse(e.dateTime));
};
if (one("time[data-countdown]")) tick();
setInterval(tick, one("time[data-countdown]") ? 1000 : 30000);

// The first call, from the page to the API itself

const limits = ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After", "X-Request-Id"];

on("click", "[data-first-call]", async (button) => {
  const out = one("#first-call");
  button.disabled = true;
  try {
    const answer = await fetch(button.dataset.url, {
      headers: { authorization: `Bearer ${one(button.dataset.key).textContent.trim()}` },
      credentials: "omit",
      cache: "no-store",
    });
    const body = await answer.text();
    show(out, answer.ok, `${answer.status} ${answer.statusText}`.trim(), body, answer.headers);
    if (answer.ok) for (const step of all("[data-first-call-done]")) step.classList.add("done");
  } catch {
    show(out, false, "No answer", `Nothing came back from ${button.dataset.url}. Is the API running?`);
  }
  button.disabled = false;
});

function show(out, ok, status, body, headers) {
  out.className = `alert ${ok ? "ok" : "refused"}`;
  out.hidden = false;
  out.querySelector("[data-status]").textContent = status;
  out.querySelector("[data-headers]").textContent =
    limits.filter((n) => headers?.get(n)).map((n) => `${n}: ${headers.get(n)}`).join("\n");
  try {
    body = JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    // Not JSON: as it came.
  }
  out.querySelector("[data-body]").textContent = body;
  say(ok ? `The call was answered: ${status}` : `The call was refused: ${status}`);
}

// Forms

on("click", "[data-preset]", (button) => {
  const upTo = ["none", "read", "write", "admin"].indexOf(button.dataset.preset);
  for (const box of all("input[data-access]", button.closest("fieldset"))) {
    box.checked = ["none", "read", "write", "admin"].indexOf(box.dataset.access) <= upTo;
  }
  button.form?.dispatchEvent(new Event("input"));
});

on("click", "[data-append]", (button) => {
  const area = one(button.dataset.append);
  const lines = area.value.split(/[\s,]+/).filter(Boolean);
  if (!lines.includes(button.dataset.value)) area.value = [...lines, button.dataset.value].join("\n");
  area.dispatchEvent(new Event("input", { bubbles: true }));
});

on("click", "[data-dismiss]", (button) => button.closest(".alert").remove());

for (const line of all("[data-summary]")) {
  const form = line.closest("form");
  const picked = (name) => all(`[name="${name}"]:checked`, form);
  const write = () => {
    const scopes = picked("scope").map((box) => box.dataset.plain);
    const expiry = picked("expiry")[0];
    const from = form.elements.addresses.value.trim();
    const custom = form.elements.expires_on?.value;
    line.textContent =
      `A ${picked("environment")[0]?.value ?? "live"} key that may ` +
      (scopes.length ? new Intl.ListFormat("en-GB").format(scopes) : "do nothing yet (choose a scope)") +
      (expiry?.value === "custom" ? (custom ? `; expires on ${custom}` : "; expires on a day to be chosen")
        : `; ${expiry?.dataset.plain ?? "expires in 90 days"}`) +
      (from ? "; from the listed addresses only." : "; from any address.");
  };
  form.addEventListener("input", write);
  write();
}

// A confirmation page becomes a dialog; anything unexpected is followed as the link it is.

on("click", "a[data-dialog]", async (link, event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  let found;
  try {
    const page = await (await fetch(link.href)).text();
    found = new DOMParser().parseFromString(page, "text/html").querySelector("[data-confirm]");
  } catch {
    // The link will show what is wrong.
  }
  if (!found) return location.assign(link.href);
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "confirm-title");
  dialog.append(document.adoptNode(found));
  one("main").append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  for (const cancel of all("[data-cancel]", dialog)) {
    cancel.addEventListener("click", (e) => (e.preventDefault(), dialog.close()));
  }
  dialog.showModal();
  dialog.querySelector("[data-cancel]")?.focus();
});
