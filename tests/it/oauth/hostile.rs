//! Requests that mean no good, made from good ones by what a seed says: to every endpoint for programs, on both
//! databases. Never a 5xx, never a hang, and errors are JSON that nobody keeps.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyway_core::oauth::{ClientKind, GrantType};
use serde_json::Value;

use crate::harness::actors::{Actor, KeyClient, OauthClient};
use crate::harness::app::{Backend, TestApp};
use crate::harness::apps::{CALLBACK, CHALLENGE, notebook};
use crate::harness::raw::{Dice, Raw, RawReply};

/// So many requests per database.
const REQUESTS: usize = 600;

const LIMITS: [&str; 9] = [
    "TOKEN",
    "REVOKE",
    "INTROSPECT",
    "AUTHORIZE",
    "USERINFO",
    "PAR",
    "DEVICE",
    "REGISTER",
    "UNKNOWN_CREDENTIALS",
];

struct World {
    app: TestApp,
    robot: OauthClient,
    key: KeyClient,
    good: Vec<Good>,
}

/// A request that is all right.
#[derive(Clone)]
struct Good {
    raw: Raw,
    port: u16,
    /// Whether people see the answer: then it is a page.
    is_page: bool,
}

impl World {
    async fn new(backend: Backend) -> Self {
        let names: Vec<String> = LIMITS.iter().map(|name| format!("KEYWAY_LIMITS__{name}")).collect();
        let mut settings: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "off")).collect();
        settings.push(("KEYWAY_OAUTH__REGISTRATION", "open"));
        let app = TestApp::start_with(backend, &settings).await;
        let ada = app.person("ada@example.com", false).await;
        let key = app.key(ada, "notes:read notes:write").await;
        let manager = app.key(ada, "keys:read keys:write").await;
        let mut new = notebook(ClientKind::Confidential);
        new.profile.grant_types.push(GrantType::ClientCredentials);
        let robot = app.client(new).await;
        let mut new = notebook(ClientKind::ResourceServer);
        new.audience = Some(app.api.parse().unwrap());
        new.profile.grant_types.clear();
        new.profile.redirect_uris.clear();
        new.profile.scopes = keyway_core::scope::ScopeSet::empty();
        let server = app.client(new).await;
        let token = robot.token(&[("grant_type", "client_credentials"), ("scope", "notes:read")]).await;
        let token = token.expect(200).text("/access_token");
        let good = good(&app, &robot, &server, &key, &manager, &token);
        Self { app, robot, key, good }
    }

    /// The server is as well as before.
    async fn is_well(&self) {
        self.robot.token(&[("grant_type", "client_credentials"), ("scope", "notes:read")]).await.expect(200);
        self.key.get(&self.app.api("/v1/whoami")).await.expect(200);
        self.app.anonymous.get(&self.app.url("/readyz")).await.expect(200);
    }
}

fn port(url: &str) -> u16 {
    url.parse::<url::Url>().unwrap().port().unwrap()
}

fn basic(client: &OauthClient) -> String {
    let secret = client.secret.as_deref().unwrap();
    format!("Basic {}", STANDARD.encode(format!("{}:{secret}", client.id)))
}

fn good(
    app: &TestApp,
    robot: &OauthClient,
    server: &OauthClient,
    key: &KeyClient,
    manager: &KeyClient,
    token: &str,
) -> Vec<Good> {
    let (portal, api) = (port(&app.portal), port(&app.api));
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let subject = "urn:keyway:params:oauth:token-type:api-key";
    let request = format!(
        "response_type=code&client_id={}&redirect_uri={CALLBACK}&scope=notes:read&state=s\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        robot.id
    );
    let forms = [
        ("/oauth/token", "grant_type=client_credentials&scope=notes%3Aread".to_owned()),
        (
            "/oauth/token",
            format!(
                "grant_type=authorization_code&code=keyway_ac_x&redirect_uri={CALLBACK}&code_verifier={CHALLENGE}"
            ),
        ),
        ("/oauth/token", "grant_type=refresh_token&refresh_token=keyway_rt_x&scope=notes%3Aread".to_owned()),
        (
            "/oauth/token",
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=keyway_dc_x"
                .to_owned(),
        ),
        (
            "/oauth/token",
            format!("grant_type={exchange}&subject_token={}&subject_token_type={subject}", key.key),
        ),
        ("/oauth/introspect", format!("token={token}&token_type_hint=access_token")),
        ("/oauth/revoke", "token=keyway_at_x&token_type_hint=access_token".to_owned()),
        ("/oauth/par", request.clone()),
        ("/oauth/device_authorization", "scope=notes%3Aread".to_owned()),
    ];
    let posts = forms
        .iter()
        .map(|(path, form)| Raw::new("POST", path).form(form).header("authorization", basic(robot)));
    let registration =
        format!("{{\"client_name\":\"x\",\"redirect_uris\":[\"{CALLBACK}\"],\"scope\":\"notes:read\"}}");
    let others = [
        Raw::new("POST", "/oauth/register").json(&registration),
        Raw::new("GET", "/oauth/userinfo").header("authorization", format!("Bearer {token}")),
        Raw::new("GET", "/.well-known/jwks.json"),
        Raw::new("GET", "/.well-known/oauth-authorization-server"),
        Raw::new("GET", "/guard/changes?epoch=x&after=0&wait_ms=1").header("authorization", basic(server)),
        Raw::new("GET", "/guard/changes/snapshot").header("authorization", basic(server)),
        Raw::new("POST", "/guard/records")
            .json("{\"batch\":\"x\",\"records\":[]}")
            .header("authorization", basic(server)),
        Raw::new("POST", "/api/v1/keys")
            .json("{\"name\":\"k\",\"scopes\":[\"notes:read\"],\"environment\":\"test\"}")
            .header("x-api-key", manager.key.clone()),
        Raw::new("GET", "/api/v1/keys?limit=10").header("authorization", format!("Bearer {}", manager.key)),
    ];
    let mut all: Vec<_> = posts.chain(others).map(|raw| Good { raw, port: portal, is_page: false }).collect();
    let guarded = Raw::new("POST", "/v1/notes").json("{\"title\":\"t\",\"body\":\"b\"}");
    all.push(Good { raw: guarded.header("x-api-key", key.key.clone()), port: api, is_page: false });
    let read =
        Raw::new("GET", "/v1/notes").header("authorization", format!("DPoP {token}")).header("dpop", "a.b.c");
    all.push(Good { raw: read, port: api, is_page: false });
    let authorize = Raw::new("GET", &format!("/oauth/authorize?{request}"));
    all.push(Good { raw: authorize, port: portal, is_page: true });
    all
}

/// Values that something may choke on, form-encoded.
const ODD: [&str; 16] = [
    "",
    "%00",
    "a%00b",
    "%ff%fe",
    "%",
    "%zz",
    "%F0%9F%98%80",
    "-1",
    "99999999999999999999",
    "null",
    "[]",
    "%7B%7D",
    "'%20OR%201=1--",
    "..%2F..%2Fetc%2Fpasswd",
    "%E2%80%AE",
    "a%0d%0aset-cookie:%20x=y",
];
const METHODS: [&str; 9] = ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "POST", "BREW"];
const TYPES: [&str; 8] = [
    "",
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded; charset=utf-16",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "/",
    "\u{e9}",
];
const CREDENTIALS: [&[u8]; 17] = [
    b"",
    b"Basic",
    b"Basic ",
    b"Basic !!!",
    b"Basic Og==",
    b"Basic YQ==",
    b"Basic /////w==",
    b"Basic YTpi Yzpk",
    b"basic AAAAOgAA",
    b"Bearer",
    b"Bearer \xff\xfe",
    b"Bearer a.b.c",
    b"Bearer e30.e30.e30",
    b"DPoP a.b.c",
    b"Digest x",
    b"\xff",
    b"Bearer keyway_live_000000000000000000000000000000000000000000",
];

/// Spoils one thing.
fn spoil(raw: &mut Raw, dice: &Dice) {
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(dice.below(bytes.len() + 1));
    match dice.below(16) {
        0 => cut(&mut raw.body),
        1 => raw.target.truncate(1 + dice.below(raw.target.len())),
        2 => raw.method = dice.one_of(&METHODS).as_bytes().to_vec(),
        3 => {
            raw.headers.retain(|(name, _)| name != "content-type");
            raw.headers.push(("content-type".into(), dice.one_of(&TYPES).as_bytes().to_vec()));
        }
        4 => {
            raw.headers.retain(|(name, _)| name != "authorization");
            raw.headers.push(("authorization".into(), dice.one_of(&CREDENTIALS).to_vec()));
        }
        5 => raw.headers.push(("authorization".into(), dice.one_of(&CREDENTIALS).to_vec())),
        6 => raw.body = deep(dice),
        7 => {
            let mut many = String::new();
            for at in 0..dice.below(6_000) {
                write!(many, "&p{at}=v").unwrap();
            }
            raw.body.extend(many.bytes());
        }
        8 => {
            let again = raw.body.clone();
            raw.body.push(b'&');
            raw.body.extend(again);
        }
        9 => raw.body.extend(vec![b'x'; 1 << (8 + dice.below(14))]),
        10 => {
            let at = dice.below(raw.body.len() + 1);
            raw.body.insert(at, *dice.one_of(&[0, 0xff, 0xc3, b'"', b'\\', b'%', b'\n']));
        }
        11 => {
            let query = format!("?{}={}&token=x&access_token=x", dice.one_of(&ODD), dice.one_of(&ODD));
            raw.target.extend(query.replace(' ', "").bytes());
        }
        12 => raw.headers.push(("dpop".into(), dice.one_of(&CREDENTIALS).to_vec())),
        13 => raw.headers.push(("x-forwarded-for".into(), vec![b','; dice.below(5_000)])),
        14 => raw
            .headers
            .retain(|(name, _)| name != dice.one_of(&["authorization", "content-type", "x-api-key"])),
        _ => reword(raw, dice),
    }
}

/// JSON that is nested deeper than any parser likes.
fn deep(dice: &Dice) -> Vec<u8> {
    let (open, depth) = (*dice.one_of(&["[", "{\"a\":", "{\"keys\":["]), dice.below(20_000));
    open.repeat(depth).into_bytes()
}

/// Gives one parameter, of the body or the query, an odd value or name.
fn reword(raw: &mut Raw, dice: &Dice) {
    let text = if raw.body.is_empty() { &mut raw.target } else { &mut raw.body };
    let whole = String::from_utf8_lossy(text).into_owned();
    let mut pairs: Vec<String> = whole.split('&').map(str::to_owned).collect();
    let at = dice.below(pairs.len());
    let odd = match dice.below(8) {
        0 => "x".repeat(70_000),
        1 => "a+".repeat(2_000),
        _ => (*dice.one_of(&ODD)).replace(' ', "%20"),
    };
    pairs[at] = match (pairs[at].split_once('='), dice.below(4)) {
        (Some((name, _)), 0..3) => format!("{name}={odd}"),
        (Some((_, value)), _) => format!("{odd}={value}"),
        (None, _) => odd,
    };
    *text = pairs.join("&").into_bytes();
}

fn check(what: &str, good: &Good, raw: &Raw, reply: &RawReply) {
    let told =
        || format!("{what}:\n{}\n\n{}\n{}", raw.shown(), reply.headers, String::from_utf8_lossy(&reply.body));
    assert!(reply.status != 0 && reply.status < 500, "{}", told());
    let path = |raw: &Raw| raw.target.split(|byte| *byte == b'?').next().map(<[u8]>::to_vec);
    // Elsewhere there are pages; and the HTTP parser itself refuses without a body, and without naming the request.
    let is_parser = reply.header("x-request-id").is_none();
    if good.is_page
        || path(raw) != path(&good.raw)
        || reply.status < 400
        || is_parser
        || raw.method == b"HEAD"
    {
        return;
    }
    let kind = reply.header("content-type").unwrap_or_default();
    assert!(kind == "application/json" || kind == "application/problem+json", "{}", told());
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_else(|_| panic!("{}", told()));
    assert!(body["error"].is_string() || body["code"].is_string(), "{}", told());
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{}", told());
}

#[tokio::test]
async fn malformed_requests_get_a_clear_4xx() {
    for (backend, seed) in Backend::ALL.into_iter().zip([1, 2]) {
        let world = World::new(backend).await;
        let dice = Dice::new(seed);
        let mut seen = BTreeMap::new();
        for at in 0..REQUESTS {
            let good = &world.good[at % world.good.len()];
            let mut raw = good.raw.clone();
            for _ in 0..=dice.below(3) {
                spoil(&mut raw, &dice);
            }
            // A target with a space or a control character is the parser's business.
            raw.target.retain(u8::is_ascii_graphic);
            let reply = raw.send(good.port).await;
            check(&format!("{backend:?}, request {at}"), good, &raw, &reply);
            *seen.entry(reply.status).or_insert(0) += 1;
        }
        // Neither all too wild nor all too tame.
        for status in [200, 400, 401, 405, 413] {
            assert!(seen.get(&status).is_some_and(|count| *count >= 5), "{status}: {seen:?}");
        }
        world.is_well().await;
        world.app.stop().await;
    }
}
