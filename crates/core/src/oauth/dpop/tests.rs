use super::*;
use crate::jwt::{Algorithm, generate_key};

/// RFC 9449 §5: the proof of the token request.
const TOKEN_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// RFC 9449 §7.1: the proof of the request to a protected resource, and its access token.
const RESOURCE_PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const RESOURCE_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// RFC 9449 §6.1: the thumbprint of the key of both.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);
const URL: &str = "https://api.example.com/v1/notes";

fn request(method: &'static str, url: &'static str, token: Option<&str>) -> ProvenRequest<'static> {
    ProvenRequest { method, url, access_token: token.map(|token| SecretDigest::of(token.as_bytes())) }
}

fn here() -> ProvenRequest<'static> {
    request("GET", URL, Some("token"))
}

fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8("k", algorithm, &generate_key(algorithm).unwrap()).unwrap()
}

/// A proof for [`here`] with other header and claims, signed all the same.
fn proof(change: impl FnOnce(&mut Value, &mut Value)) -> Result<Proof, ProofError> {
    let key = key(Algorithm::Es256);
    let mut header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": key.public_jwk().unwrap().key });
    let ath = URL_SAFE_NO_PAD.encode(SecretDigest::of(b"token").as_bytes());
    let mut claims = json!({ "jti": "1", "htm": "GET", "htu": URL, "iat": NOW.as_seconds(), "ath": ath });
    change(&mut header, &mut claims);
    verify_proof(&key.sign_parts(&header, &claims).unwrap(), &here(), NOW)
}

fn refused(change: impl FnOnce(&mut Value, &mut Value)) -> ProofError {
    proof(change).unwrap_err()
}

#[test]
fn the_proofs_of_rfc_9449_verify() {
    let at = request("POST", "https://server.example.com/token", None);
    let seen = verify_proof(TOKEN_PROOF, &at, Timestamp::from_seconds(1_562_262_616)).unwrap();
    assert_eq!((seen.key.to_string().as_str(), seen.jti.as_str()), (THUMBPRINT, "-BwC3ESc6acc2lTc"));
    let at = request("GET", "https://resource.example.org/protectedresource?q=1", Some(RESOURCE_TOKEN));
    let seen = verify_proof(RESOURCE_PROOF, &at, Timestamp::from_seconds(1_562_262_618)).unwrap();
    assert_eq!((seen.key.to_string().as_str(), seen.jti.as_str()), (THUMBPRINT, "e1j3V_bKic8-LAEB"));
}

#[test]
fn what_a_client_makes_verifies_with_each_algorithm() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let made = make_proof(&key, &here(), "1", NOW).unwrap();
        let seen = verify_proof(&made, &here(), NOW).unwrap();
        assert_eq!(seen.key, key.public_jwk().unwrap().key.thumbprint());
        assert!(PROOF_ALGORITHMS.contains(&algorithm.as_str()));
    }
}

#[test]
fn a_proof_is_for_one_method_url_and_token() {
    let made = make_proof(&key(Algorithm::EdDsa), &here(), "1", NOW).unwrap();
    let at = |request| verify_proof(&made, &request, NOW).unwrap_err();
    assert_eq!(at(request("POST", URL, Some("token"))), ProofError::Method);
    assert_eq!(at(request("get", URL, Some("token"))), ProofError::Method);
    assert_eq!(at(request("GET", "https://api.example.com/v1/note", Some("token"))), ProofError::Url);
    assert_eq!(at(request("GET", URL, Some("Token"))), ProofError::AccessToken);
    assert_eq!(refused(|_, claims| claims["ath"] = Value::Null), ProofError::AccessToken);
    assert_eq!(refused(|_, claims| claims["ath"] = json!("x")), ProofError::AccessToken);
}

#[test]
fn a_proof_is_good_for_a_minute_either_way() {
    let made = make_proof(&key(Algorithm::EdDsa), &here(), "1", NOW).unwrap();
    let at =
        |seconds| verify_proof(&made, &here(), NOW + Duration::seconds(seconds)).map(|seen| seen.expires_at);
    for good in [-60, 0, 60] {
        assert!(at(good).unwrap() > NOW + Duration::seconds(60), "{good}");
    }
    for bad in [-61, 61, -86_400, 86_400] {
        assert_eq!(at(bad), Err(ProofError::Stale), "{bad}");
    }
    for bad in [json!(-1), json!(1e300), json!(0)] {
        assert_eq!(refused(|_, claims| claims["iat"] = bad), ProofError::Stale);
    }
    assert!(proof(|_, claims| claims["iat"] = json!(NOW.as_seconds() as f64 + 0.5)).is_ok());
}

#[test]
fn urls_are_compared_without_what_does_not_matter() {
    for same in [
        "HTTPS://API.example.com:443/v1/notes",
        "https://api.example.com/v1/notes?x=1#y",
        "https://api.example.com/v1/%6eotes",
        "https://api.example.com/v0/../v1/./notes",
    ] {
        assert!(proof(|_, claims| claims["htu"] = json!(same)).is_ok(), "{same}");
    }
    for other in [
        "http://api.example.com/v1/notes",
        "https://api.example.com:8443/v1/notes",
        "https://api.example.com/v1/notes/",
        "https://api.example.com/v1/Notes",
        "https://api.example.com/v1%2Fnotes",
        "https://user@api.example.com/v1/notes",
        "https://other.example.com/v1/notes",
        "/v1/notes",
        "",
    ] {
        assert_eq!(refused(|_, claims| claims["htu"] = json!(other)), ProofError::Url, "{other}");
    }
    assert!(is_same_url("http://h/a%2fb", "http://h/a%2Fb"));
    assert!(is_same_url("http://h", "http://h/"));
    assert!(!is_same_url("http://h/a%", "http://h/a%25"));
}

#[test]
fn type_algorithm_and_key_are_pinned() {
    assert_eq!(refused(|header, _| header["typ"] = json!("JWT")), ProofError::WrongType);
    for alg in ["none", "HS256", "ES384", "PS384"] {
        assert_eq!(refused(|header, _| header["alg"] = json!(alg)), ProofError::Algorithm, "{alg}");
    }
    assert_eq!(refused(|header, _| header["alg"] = json!("EdDSA")), ProofError::Key);
    assert_eq!(refused(|header, _| header["crit"] = json!(["x"])), ProofError::Malformed);
    assert_eq!(refused(|header, _| header["jwk"]["d"] = json!("AA")), ProofError::Key);
    assert_eq!(refused(|header, _| header["jwk"]["crv"] = json!("P-384")), ProofError::Key);
    assert_eq!(refused(|header, _| header["jwk"] = json!({ "kty": "oct", "k": "AAAA" })), ProofError::Key);
    let other = key(Algorithm::Es256).public_jwk().unwrap().key;
    assert_eq!(refused(|header, _| header["jwk"] = json!(other)), ProofError::Signature);
}

#[test]
fn what_is_no_proof_is_refused() {
    for name in ["typ", "alg", "jwk"] {
        let without = |header: &mut Value, _: &mut Value| drop(header.as_object_mut().unwrap().remove(name));
        assert_eq!(refused(without), ProofError::Malformed, "{name}");
    }
    for name in ["jti", "htm", "htu", "iat"] {
        let without = |_: &mut Value, claims: &mut Value| drop(claims.as_object_mut().unwrap().remove(name));
        assert_eq!(refused(without), ProofError::Malformed, "{name}");
        assert_eq!(refused(|_, claims| claims[name] = json!([])), ProofError::Malformed, "{name}");
    }
    assert_eq!(refused(|_, claims| claims["jti"] = json!("")), ProofError::Malformed);
    assert_eq!(refused(|_, claims| claims["jti"] = json!("x".repeat(257))), ProofError::Malformed);
    for text in ["", ".", "..", "...", "a.b.c", "e30.e30.e30", "é.é.é"] {
        assert_eq!(verify_proof(text, &here(), NOW), Err(ProofError::Malformed), "{text}");
    }
    let cut = TOKEN_PROOF.get(..TOKEN_PROOF.len() - 4).unwrap();
    let at = request("POST", "https://server.example.com/token", None);
    assert_eq!(verify_proof(cut, &at, Timestamp::from_seconds(1_562_262_616)), Err(ProofError::Signature));
}

#[test]
fn there_is_exactly_one_header() {
    let one = |values: &[&'static [u8]]| one_proof(values.iter().copied());
    assert_eq!(one(&[b" a.b.c "]), Ok("a.b.c"));
    assert_eq!(one(&[]), Err(ProofError::Missing));
    assert_eq!(one(&[b"a", b"a"]), Err(ProofError::Several));
    assert_eq!(one(&[b"\xff"]), Err(ProofError::Malformed));
    let long: &'static [u8] = vec![b'a'; MAX_PROOF_LEN + 1].leak();
    assert_eq!(one(&[long]), Err(ProofError::Malformed));
}

#[test]
fn ed25519_may_be_called_by_either_of_its_names() {
    let key = key(Algorithm::EdDsa);
    let at = request("POST", URL, None);
    for alg in ["EdDSA", "Ed25519"] {
        let header = json!({ "typ": "dpop+jwt", "alg": alg, "jwk": key.public_jwk().unwrap().key });
        let claims = json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW.as_seconds() });
        assert!(verify_proof(&key.sign_parts(&header, &claims).unwrap(), &at, NOW).is_ok(), "{alg}");
    }
}

#[test]
fn rsa_may_sign_with_pss() {
    let der = generate_key(Algorithm::Rs256).unwrap();
    let public = SigningKey::from_pkcs8("k", Algorithm::Rs256, &der).unwrap().public_jwk().unwrap().key;
    let base64 = base64::engine::general_purpose::STANDARD.encode(&*der);
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n");
    let pair = jsonwebtoken::EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({ "typ": "dpop+jwt", "alg": "PS256", "jwk": public }));
    let claims = part(json!({ "jti": "1", "htm": "POST", "htu": URL, "iat": NOW.as_seconds() }));
    let signed = format!("{header}.{claims}");
    let signature =
        jsonwebtoken::crypto::sign(signed.as_bytes(), &pair, jsonwebtoken::Algorithm::PS256).unwrap();
    let at = request("POST", URL, None);
    let seen = verify_proof(&format!("{signed}.{signature}"), &at, NOW).unwrap();
    assert_eq!(seen.key, public.thumbprint());
}
