//! Tokens that are bound to a key (RFC 9449 §7), opaque and signed, from the cache and not.

use keyway_core::jwt::{Confirmation, Thumbprint};
use keyway_core::oauth::dpop::{ProvenRequest, make_proof};
use keyway_core::refusal::Check;

use super::*;

/// The key of a client.
struct Holder {
    key: SigningKey,
    thumbprint: Thumbprint,
}

impl Holder {
    fn new() -> Self {
        let der = generate_key(Algorithm::EdDsa).unwrap();
        let key = SigningKey::from_pkcs8("unused", Algorithm::EdDsa, &der).unwrap();
        let thumbprint = key.public_jwk().unwrap().key.thumbprint();
        Self { key, thumbprint }
    }
    fn proof(&self, house: &House, token: &str, jti: &str) -> String {
        self.proof_for(house, "GET", &format!("{API}/v1/notes"), token, jti)
    }
    fn proof_for(&self, house: &House, method: &str, url: &str, token: &str, jti: &str) -> String {
        let access_token = Some(SecretDigest::of(token.as_bytes()));
        make_proof(&self.key, &ProvenRequest { method, url, access_token }, jti, now(house)).unwrap()
    }
}

impl House {
    fn bound(&self, holder: &Holder) -> [String; 2] {
        let secret = generate(&Brand::default(), Kind::AccessToken, &self.random);
        let mut facts = self.facts();
        facts.method = Method::Oauth;
        facts.bound_to = Some(holder.thumbprint);
        self.source.learn(&secret, facts);
        let jwt = self.jwt_with(0, &[], |claims| claims.cnf = Some(Confirmation { jkt: holder.thumbprint }));
        [secret.expose().to_owned(), jwt]
    }
    async fn call_with(&self, scheme: &str, token: &str, proofs: &[&str]) -> Verdict {
        let arrival = self.guard.arrive();
        let header = format!("{scheme} {token}");
        let parts = RequestParts {
            authorization: smallvec![header.as_bytes()],
            api_key: smallvec![],
            proofs: proofs.iter().map(|proof| proof.as_bytes()).collect(),
            method: "GET",
            path: "/v1/notes",
            query: "a=b",
            address: Some([192, 0, 2, 1].into()),
            request: arrival.request,
            arrived: arrival.moment,
        };
        self.guard.check(&parts).await
    }
}

#[tokio::test]
async fn a_bound_token_needs_a_new_proof_on_every_call() {
    let (house, holder) = (House::new(), Holder::new());
    for token in house.bound(&holder) {
        for jti in ["1", "2", "3"] {
            let jti = format!("{jti} {}", token.len());
            let proof = holder.proof(&house, &token, &jti);
            assert_eq!(code(&house.call_with("DPoP", &token, &[&proof]).await), "ok");
            let again = house.call_with("DPoP", &token, &[&proof]).await;
            assert_eq!(code(&again), "invalid_proof");
            assert!(again.allowance().is_none(), "a replayed proof spends nothing");
            assert_eq!(code(&house.call_with("DPoP", &token, &[]).await), "invalid_proof");
        }
    }
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token() {
    let (house, holder) = (House::new(), Holder::new());
    for (jti, token) in ["1", "2"].into_iter().zip(house.bound(&holder)) {
        let proof = holder.proof(&house, &token, jti);
        for proofs in [&[][..], &[proof.as_str()]] {
            let verdict = house.call_with("Bearer", &token, proofs).await;
            assert_eq!(code(&verdict), "proof_required");
            assert_eq!(verdict.refusal().unwrap().check(), Check::Proof);
        }
        // From the cache as well.
        assert_eq!(code(&house.call_with("DPoP", &token, &[&proof]).await), "ok");
        assert_eq!(code(&house.call_with("Bearer", &token, &[]).await), "proof_required");
    }
}

#[tokio::test]
async fn what_is_bound_to_no_key_is_no_dpop_token() {
    let (house, holder) = (House::new(), Holder::new());
    for token in [house.key().expose().to_owned(), house.jwt(0, &[])] {
        let proof = holder.proof(&house, &token, "1");
        assert_eq!(code(&house.call_with("DPoP", &token, &[&proof]).await), "not_bound");
        assert_eq!(code(&house.call_with("Bearer", &token, &[&proof]).await), "ok");
    }
}

#[tokio::test]
async fn a_proof_for_anything_else_is_refused() {
    let (house, holder, thief) = (House::new(), Holder::new(), Holder::new());
    for (jti, token) in ["1", "2"].into_iter().zip(house.bound(&holder)) {
        let url = format!("{API}/v1/notes");
        let good = holder.proof(&house, &token, jti);
        let bad = [
            thief.proof(&house, &token, "bad 1"),
            holder.proof(&house, "another", "bad 2"),
            holder.proof_for(&house, "POST", &url, &token, "bad 3"),
            holder.proof_for(&house, "GET", &format!("{API}/v1/other"), &token, "bad 4"),
            holder.proof_for(&house, "GET", "http://evil.example/v1/notes", &token, "bad 5"),
            "a.b.c".to_owned(),
        ];
        for proof in &bad {
            let verdict = house.call_with("DPoP", &token, &[proof]).await;
            assert_eq!(code(&verdict), "invalid_proof");
            assert!(verdict.allowance().is_none());
        }
        let two = [good.as_str(), bad[0].as_str()];
        assert_eq!(code(&house.call_with("DPoP", &token, &two).await), "invalid_proof");
        house.clock.advance(Duration::seconds(61));
        assert_eq!(code(&house.call_with("DPoP", &token, &[&good]).await), "invalid_proof");
        house.clock.advance(Duration::seconds(-61));
        assert_eq!(code(&house.call_with("DPoP", &token, &[&good]).await), "ok");
    }
}

#[tokio::test]
async fn where_a_proof_cannot_be_remembered_nobody_is_let_in() {
    let (house, holder) = (House::with(|settings| settings.spent_proofs = 1), Holder::new());
    let [token, _] = house.bound(&holder);
    let proof = |jti| holder.proof(&house, &token, jti);
    assert_eq!(code(&house.call_with("DPoP", &token, &[&proof("1")]).await), "ok");
    assert_eq!(code(&house.call_with("DPoP", &token, &[&proof("2")]).await), "cannot_tell");
    assert_eq!(code(&house.call_with("Bearer", house.key().expose(), &[]).await), "ok");
}

#[tokio::test]
async fn of_many_at_once_with_one_proof_one_gets_in() {
    let (house, holder) = (House::new(), Holder::new());
    let [token, _] = house.bound(&holder);
    let proof = holder.proof(&house, &token, "1");
    let proofs = [proof.as_str()];
    let calls = (0..50).map(|_| house.call_with("DPoP", &token, &proofs));
    let verdicts = futures_util::future::join_all(calls).await;
    assert_eq!(verdicts.iter().filter(|verdict| code(verdict) == "ok").count(), 1);
}
