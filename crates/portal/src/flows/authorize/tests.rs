use std::sync::Arc;

use keyway_core::ids::ClientId;
use keyway_core::jwt::Algorithm;
use keyway_core::oauth::{AuthMethod, ClientKind, ClientOrigin, TokenFormat};
use keyway_core::owner::{Owner, OwnerKind};
use keyway_core::random::SeededRandom;
use keyway_core::{Clock as _, Timestamp};
use keyway_store::tables::audit::Actor;
use keyway_store::tables::clients;
use keyway_store::testing::{Backend, START, TestDatabase};

use super::*;
use crate::testing::{catalogue, silent};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn app() -> Client {
    let random = SeededRandom::new(1);
    Client {
        id: ClientId::new(START, &random),
        owner: OwnerId::new(START, &random),
        kind: ClientKind::Public,
        name: "Notebook".into(),
        auth_method: AuthMethod::None,
        redirect_uris: vec!["https://app.example.com/callback".parse().unwrap()],
        post_logout_redirect_uris: vec![],
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scopes: "keys:read notes:read".parse().unwrap(),
        token_format: TokenFormat::Opaque,
        audience: None,
        jwks: None,
        id_token_algorithm: Algorithm::Rs256,
        dpop_bound: false,
        backchannel_logout_uri: None,
        website: None,
        origin: ClientOrigin::Manual,
        created_at: START,
        suspended_at: None,
        last_used_at: None,
    }
}

fn asked(extra: &str) -> Result<AuthorizationRequest, OauthError> {
    let text = format!("response_type=code&code_challenge_method=S256&code_challenge={CHALLENGE}&{extra}");
    read(&app(), &catalogue(), "https://app.example.com/callback", &Params::parse(text.as_bytes()).unwrap())
}

fn refused(extra: &str) -> ErrorCode {
    asked(extra).unwrap_err().code
}

#[test]
fn a_request_names_one_api_by_its_scopes_or_by_resource() {
    let by_scope = asked("scope=notes%3Aread+offline_access").unwrap();
    assert_eq!(by_scope.audience.as_str(), "http://localhost:8081");
    assert!(by_scope.offline);
    assert_eq!(by_scope.scopes.to_string(), "notes:read");
    let by_resource = asked("resource=http%3A%2F%2Flocalhost%3A8080%2Fapi%2Fv1").unwrap();
    assert_eq!(by_resource.scopes.to_string(), "keys:read");
    assert_eq!(refused("scope=notes%3Aread+keys%3Aread"), ErrorCode::InvalidTarget);
    assert_eq!(refused("resource=http%3A%2F%2Felsewhere"), ErrorCode::InvalidTarget);
    assert_eq!(refused("resource=http%3A%2F%2Flocalhost%3A8081&scope=keys%3Aread"), ErrorCode::InvalidScope);
}

#[test]
fn what_the_client_may_not_ask_is_refused() {
    assert_eq!(refused("scope=notes%3Awrite"), ErrorCode::InvalidScope);
    assert_eq!(refused("scope=offline_access"), ErrorCode::InvalidScope);
    assert_eq!(refused("scope=%22"), ErrorCode::InvalidScope);
    assert_eq!(refused("prompt=none+login"), ErrorCode::InvalidRequest);
    assert_eq!(refused("prompt=select"), ErrorCode::InvalidRequest);
    assert_eq!(refused("max_age=-1"), ErrorCode::InvalidRequest);
    assert_eq!(refused("response_mode=fragment"), ErrorCode::InvalidRequest);
    assert_eq!(refused("request=x.y.z"), ErrorCode::RequestNotSupported);
    assert_eq!(refused("request_uri=https%3A%2F%2Fa.example"), ErrorCode::RequestUriNotSupported);
    assert_eq!(refused("registration=%7B%7D"), ErrorCode::RegistrationNotSupported);
    assert!(asked("scope=notes:read&response_mode=form_post&unknown=1").is_ok());
}

#[test]
fn pkce_with_s256_is_required_of_everyone() {
    let with = |text: &str| {
        read(
            &app(),
            &catalogue(),
            "https://app.example.com/callback",
            &Params::parse(text.as_bytes()).unwrap(),
        )
        .unwrap_err()
        .code
    };
    assert_eq!(with("response_type=code&scope=notes:read"), ErrorCode::InvalidRequest);
    let plain = format!("response_type=code&code_challenge={CHALLENGE}&code_challenge_method=plain");
    assert_eq!(with(&plain), ErrorCode::InvalidRequest);
    // RFC 7636 §4.3: without a method it would be plain.
    assert_eq!(with(&format!("response_type=code&code_challenge={CHALLENGE}")), ErrorCode::InvalidRequest);
    assert_eq!(with("response_type=token"), ErrorCode::UnsupportedResponseType);
}

fn user(auth_time: Timestamp) -> User {
    let random = SeededRandom::new(2);
    User {
        owner: OwnerId::new(START, &random),
        session: SessionId::new(START, &random),
        auth_time,
        amr: "pwd",
    }
}

fn grant(scopes: &str) -> Grant {
    let user = user(START);
    Grant {
        id: GrantId::new(START, &SeededRandom::new(3)),
        owner: user.owner,
        client: app().id,
        scopes: scopes.parse().unwrap(),
        offline: false,
        session: Some(user.session),
        created_at: START,
        updated_at: START,
        last_used_at: None,
    }
}

#[test]
fn consent_is_remembered_per_scope_and_asked_again_for_more() {
    let request = asked("scope=notes%3Aread").unwrap();
    let me = user(START);
    let step = |request: &AuthorizationRequest, grant: Option<&Grant>| next(request, Some(&me), grant, START);
    assert_eq!(step(&request, None), Ok(Next::Consent));
    assert_eq!(step(&request, Some(&grant("notes:read"))), Ok(Next::Issue(me)));
    assert_eq!(step(&request, Some(&grant("keys:read"))), Ok(Next::Consent));
    let offline = asked("scope=notes%3Aread+offline_access").unwrap();
    assert_eq!(step(&offline, Some(&grant("notes:read"))), Ok(Next::Consent));
    let again = asked("scope=notes%3Aread&prompt=consent").unwrap();
    assert_eq!(step(&again, Some(&grant("notes:read"))), Ok(Next::Consent));
}

#[test]
fn prompt_and_max_age_decide_who_is_asked_what() {
    let later = START + Duration::minutes(10);
    let me = user(START);
    let consented = grant("notes:read");
    let step = |extra: &str, user: Option<&User>| {
        next(&asked(&format!("scope=notes%3Aread&{extra}")).unwrap(), user, Some(&consented), later)
            .map_err(|error| error.code)
    };
    assert_eq!(step("", None), Ok(Next::SignIn));
    assert_eq!(step("prompt=login", Some(&me)), Ok(Next::SignInAgain));
    assert_eq!(step("max_age=60", Some(&me)), Ok(Next::SignInAgain));
    assert_eq!(step("max_age=900", Some(&me)), Ok(Next::Issue(me)));
    assert_eq!(step("prompt=none", None), Err(ErrorCode::LoginRequired));
    assert_eq!(step("prompt=none&max_age=60", Some(&me)), Err(ErrorCode::LoginRequired));
    assert_eq!(step("prompt=none", Some(&me)), Ok(Next::Issue(me)));
    let request = asked("scope=notes%3Aread&prompt=none").unwrap();
    assert_eq!(next(&request, Some(&me), None, later).unwrap_err().code, ErrorCode::ConsentRequired);
}

#[tokio::test]
async fn two_tabs_that_consent_at_once_leave_one_consent() {
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, clock) = database.store_at_start();
        let (me, client) = (user(START), app());
        let act = Act {
            now: clock.now(),
            random: Arc::new(SeededRandom::new(4)),
            actor: Actor::person(me.owner, "ada@example.com"),
            address: None,
        };
        let known = client.clone();
        let people = [(me.owner, OwnerKind::Person), (client.owner, OwnerKind::Builtin)];
        let prepare = move |tx: &mut Tx<'_>| {
            for (id, kind) in people {
                let owner =
                    Owner { id, kind, name: "x".into(), suspended_at: None, rate: None, created_at: START };
                owners::insert(tx.conn(), &owner)?;
            }
            clients::insert(tx.conn(), &known, None)
        };
        store.write(prepare).await.unwrap();
        let consent = |scope: &str| {
            let (act, client, request) =
                (act.clone(), client.clone(), asked(&format!("scope={scope}")).unwrap());
            let silent = silent();
            store.write(move |tx| {
                approve(
                    tx,
                    &act,
                    &Brand::default(),
                    &client,
                    "https://app.example.com/callback",
                    &request,
                    &me,
                    &silent,
                )
            })
        };
        let (a, b) = tokio::join!(consent("notes%3Aread"), consent("keys%3Aread"));
        assert_ne!(a.unwrap().digest(), b.unwrap().digest());
        let id = client.id;
        let kept = store.read(move |conn| grants::find_of(conn, me.owner, id)).await.unwrap().unwrap();
        assert_eq!(kept.scopes.to_string(), "keys:read notes:read", "{backend:?}");
    }
}
