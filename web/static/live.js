// Parts of a page that follow what happens: when the server says that something changed, the page is fetched again, and
// its parts marked `data-live` take the place of those shown. Without this, a reload shows the same.

const root = document.documentElement;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let source, later, busy = false, again = false, over = false;

// The part with the focus keeps it, on the same link or button.
const put = (part, fresh) => {
  const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  if (part.dataset.say !== fresh.dataset.say) document.querySelector("#live").textContent = fresh.dataset.say;
  part.replaceWith(fresh);
  if (held) [...fresh.querySelectorAll("[href]")].find((link) => link.getAttribute("href") === held)?.focus();
};

const refresh = async () => {
  again = true;
  if (busy) return;
  busy = true;
  try {
    while (again) await once();
  } finally {
    busy = false;
  }
};

const once = async () => {
  again = false;
  const answer = await fetch(location.href, { headers: { "keyway-part": "1" } }).catch(() => null);
  if (answer?.redirected || answer?.status === 404) {
    over = true;
    clearTimeout(later);
    return source.close();
  }
  if (answer?.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    root.dataset.now = page.documentElement.dataset.now;
    for (const part of document.querySelectorAll("[data-live]")) {
      const fresh = page.getElementById(part.id);
      if (!fresh) part.remove();
      else if (fresh.outerHTML !== part.outerHTML) put(part, document.adoptNode(fresh));
    }
  }
  await pause(1000);
};

// A browser comes again by itself after a lost connection, but not after an answer that is no stream.
const retry = ({ target }) => {
  if (target === source && target.readyState === EventSource.CLOSED && !over) later = setTimeout(comeBack, 30_000);
};

const comeBack = () => {
  listen();
  if (!document.hidden) refresh();
};

const listen = () => {
  clearTimeout(later);
  source?.close();
  if (document.hidden) return;
  over = false;
  const all = new URLSearchParams(location.search).get("all") === "yes" ? "&all=yes" : "";
  source = new EventSource(`/live?since=${root.dataset.now}${all}`);
  for (const name of ["calls", "deeds"]) source.addEventListener(name, refresh);
  source.addEventListener("error", retry);
};

document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => {
  clearTimeout(later);
  source?.close();
});
listen();
