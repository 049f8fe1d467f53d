// A server that is not Keyway, for testing the harness itself: each page is wrong in one way.
import { createServer } from "node:http";

const [host, port] = process.env.KEYWAY_PORTAL_ADDR.split(":");
const policy = "default-src 'none'; script-src 'self'; img-src *";
const pages = {
  "/readyz": ["text/plain", "ready"],
  "/favicon.ico": ["image/x-icon", " "],
  "/good": ["text/html", "<!doctype html><title>Good</title><main><p>Nothing wrong</p></main>"],
  "/throws": ["text/html", "<!doctype html><title>Throws</title><script src=/throws.js></script>"],
  "/throws.js": ["text/javascript", "throw new Error('thrown by the page')"],
  "/inline": ["text/html", "<!doctype html><title>Inline</title><script>document.title = 'ran'</script>"],
  "/elsewhere": ["text/html", "<!doctype html><title>Elsewhere</title><img src='http://elsewhere.invalid/pixel.png'>"],
};

const server = createServer((request, response) => {
  const [type, body] = pages[request.url] ?? ["text/plain", "nothing here"];
  response.writeHead(request.url in pages ? 200 : 404, { "content-type": type, "content-security-policy": policy }).end(body);
});
server.listen(Number(port), host);
process.on("SIGTERM", () => process.exit(Number(process.env.STUB_EXIT ?? 0)));
