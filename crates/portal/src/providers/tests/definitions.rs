use super::*;
use crate::flows::inputs::Email;

#[test]
fn ids_are_short_and_plain() {
    assert!("git-hub-2".parse::<ProviderId>().is_ok());
    for bad in ["", "new", "GitHub", "a b", "a/b", "ä", &"a".repeat(33)] {
        assert!(bad.parse::<ProviderId>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_said_in_one_line() {
    let op = Op::silent().await;
    let of = |kind| op.definition(kind);
    type Change = fn(&mut Definition);
    let cases: [(Kind, Change, &str); 16] = [
        (Kind::Oidc, |d| d.issuer = None, "needs `issuer`"),
        (Kind::Oidc, |d| d.issuer = Some("http://example.com".into()), "https URL"),
        (Kind::Oidc, |d| d.issuer = Some("https://example.com/?a=b".into()), "https URL"),
        (Kind::Oidc, |d| d.client_id = String::new(), "client_id"),
        (Kind::Oidc, |d| d.client_secret = Some(PlainSecret::new("a\nb")), "client_secret"),
        (Kind::Oidc, |d| d.label = Some("x".repeat(41)), "label"),
        (Kind::Oidc, |d| d.scopes = vec!["openid email".into()], "scopes"),
        (Kind::Oidc, |d| d.email_domains = vec!["a@b.example".into()], "domains"),
        (Kind::Oidc, |d| d.tenants = vec![uuid::Uuid::nil().to_string()], "kind `microsoft`"),
        (Kind::Google, |_| {}, "leave out `issuer`"),
        (Kind::Github, |d| d.client_secret = None, "client_secret"),
        (Kind::Oauth2, |_| {}, "needs `endpoints`"),
        (Kind::Microsoft, |_| {}, "needs `tenants`"),
        (Kind::Microsoft, |d| d.tenants = vec!["common".into()], "by its id"),
        (
            Kind::Microsoft,
            |d| {
                d.tenants = vec![uuid::Uuid::nil().to_string()];
                d.email_domains = vec!["example.com".into()];
            },
            "not verified",
        ),
        (Kind::Oidc, |d| d.claims.email = "e mail".into(), "claims"),
    ];
    for (kind, change, expected) in cases {
        let mut definition = of(kind);
        change(&mut definition);
        let wrong = Provider::new(definition).unwrap_err().to_string();
        assert!(wrong.contains(expected) && !wrong.contains('\n'), "{kind:?}: {wrong}");
    }
    for kind in [Kind::Oidc, Kind::Github, Kind::Gitlab] {
        assert_eq!(of(kind).check(), Ok(()));
    }
    assert_eq!(Definition { issuer: None, ..of(Kind::Google) }.check(), Ok(()));
    assert_eq!(Definition { client_secret: None, ..of(Kind::Oidc) }.check(), Ok(()));
}

#[tokio::test]
async fn listed_domains_admit_verified_addresses_in_them_alone() {
    let op = Op::silent().await;
    let open = op.definition(Kind::Oidc);
    let listed = Definition { email_domains: vec!["Example.com".into()], ..op.definition(Kind::Oidc) };
    let email = |address: &str, verified| ProviderEmail { address: Email::parse(address).unwrap(), verified };
    assert!(open.admits(None));
    assert!(listed.admits(Some(&email("ada@example.com", true))));
    for refused in [Some(email("ada@example.com", false)), Some(email("ada@sub.example.com", true)), None] {
        assert!(!listed.admits(refused.as_ref()));
    }
}

#[tokio::test]
async fn a_definition_shows_no_secret() {
    let op = Op::silent().await;
    assert!(!format!("{:?}", op.provider()).contains("s3cr3t"));
}

#[test]
fn what_a_provider_does_may_run_on_any_thread() {
    const fn is_send<T: Send>(_: &T) {}
    async fn all(provider: &Provider, outgoing: &Outgoing, clock: &dyn Clock, tokens: &Tokens) {
        let _revoked = provider.revoke(outgoing, clock, "", tokens).await;
        let _refreshed = provider.refresh(outgoing, clock, "", &tokens.access, &[]).await;
    }
    let _check = |provider: &Provider, outgoing: &Outgoing, clock: &ManualClock, tokens: &Tokens| {
        is_send(&all(provider, outgoing, clock, tokens));
    };
}
