//! A guard over a source in memory, with one credential of each kind: for the allocation test and the benches.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use keyway_core::change::{Epoch, FeedHead, FeedPage, FeedSnapshot, Position};
use keyway_core::clock::{Duration, ManualClock, Timestamp};
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::facts::{Budgets, Facts, Method, State, Subject};
use keyway_core::ids::{ClientId, EntityId, OwnerId, TokenId};
use keyway_core::jwt::{AccessClaims, Algorithm, Descent, Jwks, SigningKey, VerificationKeys, generate_key};
use keyway_core::owner::Environment;
use keyway_core::quota::{Counted, Quotas};
use keyway_core::random::SeededRandom;
use keyway_core::rate::Limit;
use keyway_core::record::RecordBatch;
use keyway_core::secret::SecretDigest;
use keyway_core::source::{CredentialSource, Pending, Presented, RecordSink, SourceError};
use keyway_guard::{Call, Guard, RequestParts, Settings, Verdict};
use smallvec::smallvec;

pub const API: &str = "http://api.example";
pub const ISSUER: &str = "http://portal.example";
const START: Timestamp = Timestamp::from_seconds(1_795_510_800);
/// Far out of reach, so that limits are reckoned and never spent.
const LIMIT: &str = "1000000/s burst=1000000";
const QUOTA: &str = "1000000000";

#[derive(Debug)]
struct Memory {
    known: HashMap<SecretDigest, Facts>,
    jwks: Jwks,
    failing: Arc<AtomicBool>,
}

impl CredentialSource for Memory {
    fn api_key<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        Box::pin(async move {
            if self.failing.load(Ordering::SeqCst) {
                return Err(SourceError::Unavailable("the portal is away".into()));
            }
            Ok(self.known.get(&presented.digest).cloned())
        })
    }
    fn access_token<'a>(&'a self, presented: Presented<'a>) -> Pending<'a, Option<Facts>> {
        self.api_key(presented)
    }
    fn jwt_ended<'a>(&'a self, _: Presented<'a>, _: &'a [EntityId], _: Position) -> Pending<'a, bool> {
        Box::pin(async { Ok(false) })
    }
    fn counted<'a>(&'a self, _: Presented<'a>, _: &'a Facts, _: Timestamp) -> Pending<'a, Vec<Counted>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn verification_keys(&self) -> Pending<'_, VerificationKeys> {
        Box::pin(async { Ok(VerificationKeys::from_jwks(&self.jwks).unwrap()) })
    }
    fn changes<'a>(&'a self, _: &'a Epoch, _: Position, _: Duration) -> Pending<'a, FeedPage> {
        Box::pin(async { Ok(FeedPage { at: head(), changes: Vec::new() }) })
    }
    fn snapshot(&self) -> Pending<'_, FeedSnapshot> {
        Box::pin(async { Ok(FeedSnapshot { at: head(), ended: Vec::new() }) })
    }
    fn head(&self) -> Position {
        Position(0)
    }
}

impl RecordSink for Memory {
    fn store<'a>(&'a self, _: &'a RecordBatch) -> Pending<'a, Vec<Counted>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

fn head() -> FeedHead {
    FeedHead { epoch: Epoch("one".into()), head: Position(0), tail: Position(0) }
}

pub struct House {
    pub guard: Guard,
    pub key: String,
    pub token: String,
    pub jwt: String,
    /// A key whose limit is one call an hour.
    pub spent: String,
    /// A key whose calls are counted by the calendar.
    pub counted: String,
    /// Makes every look-up fail.
    pub failing: Arc<AtomicBool>,
    signer: SigningKey,
    keys: VerificationKeys,
    random: SeededRandom,
}

impl House {
    pub fn new(adjust: impl FnOnce(&mut Settings)) -> Self {
        let random = SeededRandom::new(1);
        let der = generate_key(Algorithm::Es256).unwrap();
        let signer = SigningKey::from_pkcs8("key-1", Algorithm::Es256, &der).unwrap();
        let jwks = Jwks { keys: vec![signer.public_jwk().unwrap()] };
        let keys = VerificationKeys::from_jwks(&jwks).unwrap();
        let mut known = HashMap::new();
        let mut learn = |kind, method, limit: &str, quotas| {
            let secret = generate(&Brand::default(), kind, &random);
            let mut facts = facts(method, limit, &random);
            facts.budgets.own_quotas = quotas;
            facts.budgets.shared_quotas = quotas;
            known.insert(secret.digest(), facts);
            secret.expose().to_owned()
        };
        let key = learn(Kind::LiveKey, Method::ApiKey, LIMIT, Quotas::OFF);
        let token = learn(Kind::AccessToken, Method::Oauth, LIMIT, Quotas::OFF);
        let spent = learn(Kind::LiveKey, Method::ApiKey, "1/h burst=1", Quotas::OFF);
        let many = QUOTA.parse().unwrap();
        let counted = learn(Kind::LiveKey, Method::ApiKey, LIMIT, Quotas { day: many, month: many });
        let source = Arc::new(Memory { known, jwks, failing: Arc::default() });
        let failing = Arc::clone(&source.failing);
        let clock = Arc::new(ManualClock::at(START));
        clock.advance(Duration::seconds(100));
        clock.set_wall(START);
        let mut settings = Settings::new(API.parse().unwrap(), ISSUER);
        adjust(&mut settings);
        let sink: Arc<Memory> = Arc::clone(&source);
        let guard = Guard::new(settings, source, Some(sink), clock, Arc::new(SeededRandom::new(2)));
        let mut house =
            Self { guard, key, token, jwt: String::new(), spent, counted, failing, signer, keys, random };
        house.jwt = house.another_jwt();
        house
    }

    /// A JWT that the guard has not seen.
    pub fn another_jwt(&self) -> String {
        let facts = facts(Method::Jwt, LIMIT, &self.random);
        let claims = AccessClaims {
            iss: ISSUER.into(),
            sub: facts.owner.to_string(),
            aud: API.parse().unwrap(),
            exp: (START + Duration::minutes(15)).as_seconds(),
            iat: START.as_seconds(),
            jti: TokenId::new(START, &self.random),
            client_id: ClientId::CLI,
            scope: facts.scopes.clone(),
            auth_time: None,
            cnf: None,
            keyway: Descent::of(&facts, Position(0)),
        };
        self.signer.sign(&claims).unwrap()
    }

    /// The check of a JWT's signature and claims alone.
    pub fn verify(&self, jwt: &str) {
        keyway_core::jwt::verify(jwt, &self.keys, ISSUER).unwrap();
    }

    /// A call as the middleware makes it: checked and written down.
    pub async fn call(&self, header: &str) -> Verdict {
        let arrival = self.guard.arrive();
        let parts = RequestParts {
            authorization: smallvec![header.as_bytes()],
            api_key: smallvec![],
            proofs: smallvec![],
            method: "GET",
            path: "/v1/notes",
            query: "",
            address: Some([192, 0, 2, 1].into()),
            request: arrival.request,
            arrived: arrival.moment,
        };
        let verdict = self.guard.check(&parts).await;
        let refused = verdict.require(&["notes:read"]).err();
        let call = Call {
            method: "GET",
            route: "/v1/notes",
            status: if refused.is_some() { 401 } else { 200 },
            refused: None,
            latency: self.guard.since(arrival.moment),
        };
        self.guard.record(&verdict, &call, || None);
        verdict
    }
}

fn facts(method: Method, limit: &str, random: &SeededRandom) -> Facts {
    let id = EntityId::new(START, random);
    let owner = OwnerId::new(START, random);
    let limit: Limit = limit.parse().unwrap();
    Facts {
        method,
        id,
        owner,
        subject: Subject::Owner(owner),
        client: None,
        environment: Environment::Live,
        audiences: smallvec![API.parse().unwrap()],
        scopes: "notes:read".parse().unwrap(),
        not_before: START,
        expires_at: Some(START + Duration::days(90)),
        state: State::Active,
        addresses: keyway_core::address::AddressList::default(),
        ancestors: smallvec![owner.entity()],
        signing_key: None,
        bound_to: None,
        budgets: Budgets {
            root: id,
            own: limit,
            owner: Some(owner),
            shared: LIMIT.parse().unwrap(),
            own_quotas: Quotas::OFF,
            shared_quotas: Quotas::OFF,
        },
    }
}
