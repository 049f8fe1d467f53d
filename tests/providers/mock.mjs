// The npm package oauth2-mock-server, whose answers can be bent.

import { createHmac, createPrivateKey, createPublicKey, sign } from "node:crypto";
import { Events, OAuth2Issuer, OAuth2Service } from "oauth2-mock-server";
import { serve } from "./serve.mjs";

// `person`: what userinfo says. The mock signs everybody in at once, as whoever it is.
export async function mockProvider(t, { person }) {
  const mock = { person: { ...person }, bend: undefined, bendCallback: undefined };
  const served = await serve(t, async (url) => {
    const issuer = new OAuth2Issuer();
    issuer.url = url;
    const jwk = await issuer.keys.generate("RS256");
    mock.key = createPrivateKey({ key: jwk, format: "jwk" });
    mock.kid = jwk.kid;
    const service = new OAuth2Service(issuer);
    service.on(Events.BeforeUserinfo, (answer) => Object.assign(answer.body, mock.person));
    service.on(Events.BeforeAuthorizeRedirect, ({ url: back }) => mock.bendCallback?.(back.searchParams));
    service.on(Events.BeforeResponse, ({ body }) => {
      if (body.id_token) body.id_token = idToken(mock, JSON.parse(atob(body.id_token.split(".")[1])));
    });
    return service.requestHandler;
  });
  return Object.assign(mock, served, { issuer: served.url });
}

// The mock's own claims, after `bend` had them and the header.
function idToken({ bend, key, kid, person }, { nbf: _, ...claims }) {
  const token = { header: { alg: "RS256", kid }, claims: { ...claims, sub: person.sub }, signature: rs256(key) };
  const bent = bend ? (bend(token, key) ?? token) : token;
  if (bent.missing) return undefined;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part(bent.header)}.${part(bent.claims)}`;
  return `${signed}.${bent.signature(signed)}`;
}

export const rs256 = (key) => (text) => sign("RSA-SHA256", Buffer.from(text), key).toString("base64url");

// The old trick: the public key, which everybody has, as an HMAC secret.
export function hs256WithPublicKey(key) {
  const pem = createPublicKey(key).export({ format: "pem", type: "spki" });
  return (text) => createHmac("sha256", pem).update(text).digest("base64url");
}
