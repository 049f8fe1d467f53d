// An HTTP server on a free port of 127.0.0.1 that can be made to fail, and remembers what it was asked.

import { createServer } from "node:http";

// Ways to fail; each answers instead of the server, or does not.
export const faults = {
  500: (response) => response.writeHead(500, { "content-type": "application/json" }).end('{"error":"server_error","secret":"hush"}'),
  garbage: (response) => response.writeHead(200, { "content-type": "application/json" }).end("<!doctype html><title>hush"),
  nothing: (response) => response.socket.destroy(),
  silence: () => {},
  "10 MB": (response) => {
    response.writeHead(200, { "content-type": "application/json" });
    // Whoever reads no further has had enough.
    response.on("error", () => {});
    response.end(`{"hush":"${"h".repeat(10 * 1024 * 1024)}"}`);
  },
  // `to`: another server, at an address of this machine as well.
  redirect: (to) => (response) => response.writeHead(302, { location: `${to}/hush` }).end(),
};

// Serves with `handler`, which is made when the address is known. `t` ends it.
export async function serve(t, make) {
  const calls = [];
  const broken = new Map();
  const slow = new Map();
  let handler;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    calls.push(`${request.method} ${pathname}`);
    const fault = broken.get(pathname);
    if (fault) return fault(response);
    return slow.has(pathname) ? setTimeout(handler, slow.get(pathname), request, response) : handler(request, response);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  t.after(close);
  const url = `http://127.0.0.1:${server.address().port}`;
  handler = await make(url);
  return {
    url,
    close,
    // How often a path was asked, as "POST /token".
    count: (call) => calls.filter((made) => made === call).length,
    // Lets a path take so many milliseconds longer: what comes at once then meets.
    slow: (path, ms) => slow.set(path, ms),
    // Lets a path fail, or work again.
    fail: (path, fault) => (fault ? broken.set(path, fault) : broken.delete(path)),
  };
}

// The body of a request, as text.
export async function body(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += chunk;
  return text;
}
