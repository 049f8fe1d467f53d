// GitHub as its documentation describes it ("Authorizing OAuth apps", "REST API endpoints for users, emails and OAuth
// authorizations"): no OpenID Connect, errors of the token endpoint as 200, who it is from the REST API.

import { createHash, randomBytes } from "node:crypto";
import { body, serve } from "./serve.mjs";

export const clientId = "Iv1.keyway";
export const secret = "0123456789abcdef0123456789abcdef01234567";

export async function github(t, { user, emails }) {
  const hub = { user, emails, codes: new Map(), tokens: new Set(), tokenError: undefined };
  const served = await serve(t, () => (request, response) => answer(hub, request, response));
  const { url } = served;
  return Object.assign(hub, served, {
    endpoints: {
      authorization: `${url}/login/oauth/authorize`,
      token: `${url}/login/oauth/access_token`,
      userinfo: `${url}/user`,
      revocation: `${url}/applications/${clientId}/grant`,
    },
  });
}

async function answer(hub, request, response) {
  const url = new URL(request.url, "http://localhost");
  const json = (status, value) => response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(value));
  const text = await body(request);
  switch (`${request.method} ${url.pathname}`) {
    case "GET /login/oauth/authorize":
      return authorize(hub, url.searchParams, response);
    case "POST /login/oauth/access_token": {
      const value = token(hub, new URLSearchParams(text));
      if (/\bjson\b/.test(request.headers.accept ?? "")) return json(200, value);
      return response.writeHead(200, { "content-type": "application/x-www-form-urlencoded" }).end(new URLSearchParams(value).toString());
    }
    case `DELETE /applications/${clientId}/grant`: {
      if (request.headers.authorization !== `Basic ${btoa(`${clientId}:${secret}`)}`) return json(401, { message: "Bad credentials" });
      const dead = JSON.parse(text).access_token;
      if (!hub.tokens.has(dead)) return json(422, { message: "Validation Failed" });
      // The grant with all its tokens.
      hub.tokens.clear();
      return response.writeHead(204).end();
    }
    case "GET /user":
    case "GET /user/emails": {
      if (!request.headers["user-agent"]) return json(403, { message: "Request forbidden by administrative rules." });
      const [scheme, bearer] = (request.headers.authorization ?? "").split(" ");
      if (!/^(bearer|token)$/i.test(scheme) || !hub.tokens.has(bearer)) return json(401, { message: "Bad credentials" });
      return json(200, url.pathname === "/user" ? hub.user : hub.emails);
    }
    default:
      return json(404, { message: "Not Found" });
  }
}

function authorize(hub, query, response) {
  const back = new URL(query.get("redirect_uri"));
  const code = randomBytes(10).toString("hex");
  hub.codes.set(code, { redirect: back.href, challenge: query.get("code_challenge"), scope: query.get("scope") ?? "" });
  back.searchParams.set("code", code);
  back.searchParams.set("state", query.get("state"));
  return response.writeHead(302, { location: back.href }).end();
}

function token(hub, fields) {
  const error = (error, error_description) => ({ error, error_description, error_uri: "https://docs.github.com/apps/managing-oauth-apps" });
  if (hub.tokenError) return error(hub.tokenError, "hush");
  if (fields.get("client_id") !== clientId || fields.get("client_secret") !== secret) {
    return error("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
  }
  const code = hub.codes.get(fields.get("code"));
  hub.codes.delete(fields.get("code"));
  const challenge = createHash("sha256").update(fields.get("code_verifier") ?? "").digest("base64url");
  if (!code || code.challenge !== challenge) return error("bad_verification_code", "The code passed is incorrect or expired.");
  if (fields.get("redirect_uri") !== code.redirect) {
    return error("redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.");
  }
  const access_token = `gho_${randomBytes(18).toString("hex")}`;
  hub.tokens.add(access_token);
  return { access_token, scope: code.scope.replaceAll(" ", ","), token_type: "bearer" };
}
