"""authlib as an OAuth client, PyJWT as an API that verifies access tokens by itself."""

import json

import jwt
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from conftest import CALLBACK
from joserfc.jwk import RSAKey

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def session(keyway, client, method="client_secret_basic"):
    """The library's client, told where the endpoints are by our metadata."""
    metadata = keyway.metadata()
    made = OAuth2Session(
        client["client_id"],
        client.get("client_secret"),
        redirect_uri=CALLBACK,
        scope="notes:read",
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    )
    made.endpoints = metadata
    return made


def authorize(made, person):
    """Tokens by a code, as the library does it."""
    address, _ = made.create_authorization_url(made.endpoints["authorization_endpoint"], code_verifier=VERIFIER)
    back = person.authorize(address)
    return made.fetch_token(made.endpoints["token_endpoint"], authorization_response=back, code_verifier=VERIFIER)


def registered(keyway, method, tmp_path, *more):
    """An app with this method, and the library's way of speaking it."""
    arguments = ["--redirect-uri", CALLBACK, "--scope", "notes:read", "--auth-method", method, *more]
    if method != "private_key_jwt":
        return keyway.register(*arguments), method
    key = RSAKey.generate_key(2048)
    (tmp_path / "jwks").write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    client = keyway.register(*arguments, "--jwks", str(tmp_path / "jwks"))
    client["client_secret"] = key
    return client, PrivateKeyJWT(keyway.metadata()["token_endpoint"])


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_a_code_gives_tokens_their_successors_and_an_end(keyway, ada, method, tmp_path):
    client, how = registered(keyway, method, tmp_path)
    made = session(keyway, client, how)
    token = authorize(made, ada)
    assert token["token_type"] == "Bearer" and token["scope"] == "notes:read"
    assert made.get(f"{keyway.api}/v1/whoami").json()["client"] == client["client_id"]

    following = made.refresh_token(made.endpoints["token_endpoint"])
    assert following["refresh_token"] != token["refresh_token"]
    assert made.get(f"{keyway.api}/v1/whoami").ok

    revoked = made.revoke_token(made.endpoints["revocation_endpoint"], following["refresh_token"], "refresh_token")
    assert revoked.ok, revoked.text
    assert keyway.call(following["access_token"]).status_code == 401
    with pytest.raises(OAuthError, match="invalid_grant"):
        made.refresh_token(made.endpoints["token_endpoint"], following["refresh_token"])


def test_introspection_tells_a_client_of_its_own_tokens_alone(keyway, ada, tmp_path):
    client, how = registered(keyway, "client_secret_basic", tmp_path)
    made = session(keyway, client, how)
    token = authorize(made, ada)["access_token"]
    endpoint = made.endpoints["introspection_endpoint"]
    told = made.introspect_token(endpoint, token, "access_token").json()
    assert told["active"] and told["client_id"] == client["client_id"] and told["scope"] == "notes:read"
    stranger = session(keyway, *registered(keyway, "client_secret_basic", tmp_path))
    assert stranger.introspect_token(endpoint, token).json() == {"active": False}
    made.revoke_token(made.endpoints["revocation_endpoint"], token, "access_token")
    assert made.introspect_token(endpoint, token).json() == {"active": False}


def test_a_resource_server_is_told_of_what_is_for_its_audience(keyway):
    audience = keyway.run("client", "create", "--name", "Sample", "--resource-server", "--audience", keyway.api)
    own = keyway.register("--scope", "notes:read")
    made = session(keyway, own)
    token = made.fetch_token(made.endpoints["token_endpoint"], grant_type="client_credentials")
    api = session(keyway, audience)
    told = api.introspect_token(made.endpoints["introspection_endpoint"], token["access_token"]).json()
    assert told["active"] and told["aud"] == [keyway.api]
    key = keyway.run("key", "create", "--user", "ada@example.com", "--name", "job", "--scope", "notes:read")
    assert api.introspect_token(made.endpoints["introspection_endpoint"], key["key"]).json()["active"]
    assert made.introspect_token(made.endpoints["introspection_endpoint"], key["key"]).json() == {"active": False}


def verified(keyway, token, **changed):
    """A JWT access token as RFC 9068 §4 wants it verified."""
    key = jwt.PyJWKClient(keyway.metadata()["jwks_uri"]).get_signing_key_from_jwt(token)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    options = {"require": ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]}
    expected = {"issuer": keyway.portal, "audience": keyway.api} | changed
    return jwt.decode(token, key, algorithms=["ES256", "EdDSA"], options=options, **expected)


def test_a_jwt_access_token_is_verified_by_the_published_keys(keyway, ada, tmp_path):
    client, how = registered(keyway, "client_secret_basic", tmp_path, "--token-format", "jwt")
    token = authorize(session(keyway, client, how), ada)["access_token"]
    claims = verified(keyway, token)
    assert claims["client_id"] == client["client_id"] and claims["scope"] == "notes:read"
    assert claims["sub"] == keyway.call(token).json()["subject"]
    with pytest.raises(jwt.InvalidAudienceError):
        verified(keyway, token, audience="https://elsewhere.example.com")
    with pytest.raises(jwt.InvalidIssuerError):
        verified(keyway, token, issuer="https://elsewhere.example.com")
    head, body, signature = token.split(".")
    with pytest.raises(jwt.InvalidSignatureError):
        verified(keyway, ".".join((head, body, signature[:-4] + "AAAA")))


def test_a_wrong_secret_is_invalid_client(keyway):
    client = keyway.register("--scope", "notes:read")
    made = session(keyway, client | {"client_secret": "wrong"})
    with pytest.raises(OAuthError, match="invalid_client"):
        made.fetch_token(made.endpoints["token_endpoint"], grant_type="client_credentials")
