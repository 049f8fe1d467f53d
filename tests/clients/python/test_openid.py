"""authlib as an OpenID Connect client, PyJWT as one that verifies ID tokens by the published keys."""

import time

import jwt
import pytest
import requests
from authlib.oidc.core import CodeIDToken
from conftest import CALLBACK
from joserfc import jwt as jose
from joserfc.jwk import KeySet
from test_oauth import VERIFIER, session

SCOPE = "openid profile email notes:read"
NONCE = "n-0S6_WzA2Mj"


def signed_in(keyway, person, *arguments):
    """An app, and the tokens that it gets for a person."""
    client = keyway.register("--redirect-uri", CALLBACK, "--scope", "notes:read", *arguments)
    made = session(keyway, client)
    made.scope = SCOPE
    address, _ = made.create_authorization_url(made.endpoints["authorization_endpoint"], code_verifier=VERIFIER, nonce=NONCE)
    back = person.authorize(address)
    return made, made.fetch_token(made.endpoints["token_endpoint"], authorization_response=back, code_verifier=VERIFIER)


def discovered(keyway):
    return requests.get(f"{keyway.portal}/.well-known/openid-configuration", timeout=30).json()


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_authlib_validates_the_id_token_through_the_published_keys(keyway, ada, algorithm):
    made, token = signed_in(keyway, ada, "--id-token-alg", algorithm)
    document = discovered(keyway)
    keys = KeySet.import_key_set(requests.get(document["jwks_uri"], timeout=30).json())
    decoded = jose.decode(token["id_token"], keys, algorithms=document["id_token_signing_alg_values_supported"])
    # With the access token: at_hash is checked as well.
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {"iss": {"essential": True, "value": document["issuer"]}, "aud": {"essential": True, "value": made.client_id}},
        {"nonce": NONCE, "client_id": made.client_id, "access_token": token["access_token"]},
    )
    claims.validate(now=int(time.time()))
    assert claims["at_hash"] and decoded.header["alg"] == algorithm

    told = made.get(document["userinfo_endpoint"]).json()
    assert told["sub"] == claims["sub"]
    assert (told["name"], told["email"]) == ("Ada Example", "ada@example.com")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_pyjwt_verifies_the_id_token_and_refuses_it_for_others(keyway, ada, algorithm):
    made, token = signed_in(keyway, ada, "--id-token-alg", algorithm)
    document = discovered(keyway)
    key = jwt.PyJWKClient(document["jwks_uri"]).get_signing_key_from_jwt(token["id_token"])
    claims = jwt.decode(
        token["id_token"],
        key,
        algorithms=[algorithm],
        audience=made.client_id,
        issuer=document["issuer"],
        options={"require": ["iss", "sub", "aud", "exp", "iat"]},
    )
    assert claims["nonce"] == NONCE
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token["id_token"], key, algorithms=[algorithm], audience="another-app")
    assert keyway.call(token["id_token"]).status_code == 401


def test_a_refreshed_id_token_is_of_the_same_person_and_sign_in(keyway, ada):
    made, token = signed_in(keyway, ada)
    before = jwt.decode(token["id_token"], options={"verify_signature": False})
    after = jwt.decode(made.refresh_token(made.endpoints["token_endpoint"])["id_token"], options={"verify_signature": False})
    assert [after[name] for name in ("iss", "sub", "aud", "auth_time")] == [before[name] for name in ("iss", "sub", "aud", "auth_time")]
    assert "nonce" not in after
