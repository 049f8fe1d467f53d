//! The way back from a provider: the callback's issuer, the code, and who it is.

use keyway_core::Clock;
use serde_json::Value;

use super::definition::Kind;
use super::error::{IdTokenFault, ProviderError};
use super::id_token::{self, Expected, Vouched};
use super::identity::{Callback, FlowSecrets, Identity};
use super::profile::{self, Profile};
use super::service::Service;
use super::tokens::{self, Redeemed};
use super::{Provider, github, http};
use crate::outgoing::Outgoing;

/// The longest code that is taken.
const MAX_CODE_LEN: usize = 4_096;

/// Who it is, and what is known of them.
struct Person {
    vouched: Vouched,
    profile: Profile,
}

impl Provider {
    /// Who came back to `redirect_uri`. The caller has compared `state`, once, with that of this browser's start.
    ///
    /// # Errors
    /// See [`ProviderError`].
    pub async fn finish(
        &self,
        outgoing: &Outgoing,
        clock: &dyn Clock,
        redirect_uri: &str,
        secrets: &FlowSecrets,
        callback: &Callback,
    ) -> Result<Identity, ProviderError> {
        let service = self.service(outgoing, clock).await?;
        self.check_issuer(&service, callback.iss.as_deref())?;
        if let Some(error) = &callback.error {
            return Err(ProviderError::from_code(error));
        }
        let code = callback.code.as_deref().filter(|code| (1..=MAX_CODE_LEN).contains(&code.len()));
        let code = code.ok_or(ProviderError::Nonsense)?;
        let definition = &self.definition;
        let now = clock.now();
        let redeemed =
            tokens::redeem(definition, &service, outgoing, now, redirect_uri, code, &secrets.verifier)
                .await?;
        let Person { vouched, profile } = match definition.kind {
            Kind::Github => self.github_person(&service, outgoing, &redeemed).await?,
            Kind::Oauth2 => self.plain_person(&service, outgoing, &redeemed).await?,
            Kind::Oidc | Kind::Google | Kind::Gitlab | Kind::Microsoft => {
                self.openid_person(&service, outgoing, clock, secrets, &redeemed).await?
            }
        };
        let tokens = redeemed.tokens;
        Ok(Identity {
            account: profile.account_or(&vouched.subject),
            issuer: vouched.issuer,
            subject: vouched.subject,
            name: profile.name,
            email: profile.email,
            auth_time: vouched.auth_time,
            scopes: tokens.scopes.clone(),
            tokens: definition.keep_tokens.then_some(tokens),
        })
    }

    /// RFC 9207 §2.4: compared whenever it is there, and it is there if the provider says that it always is.
    fn check_issuer(&self, service: &Service, iss: Option<&str>) -> Result<(), ProviderError> {
        let good = match iss {
            Some(iss) => service.issuer.answers_as(self.definition.kind, iss),
            None => !service.says_iss,
        };
        if good { Ok(()) } else { Err(ProviderError::WrongIssuer) }
    }

    async fn openid_person(
        &self,
        service: &Service,
        outgoing: &Outgoing,
        clock: &dyn Clock,
        secrets: &FlowSecrets,
        redeemed: &Redeemed,
    ) -> Result<Person, ProviderError> {
        let token = redeemed.id_token.as_deref().ok_or(ProviderError::BadIdToken(IdTokenFault::Missing))?;
        let expected = Expected {
            client_id: &self.definition.client_id,
            service,
            nonce: &secrets.nonce,
            access_token: &redeemed.tokens.access,
            fresh_since: secrets.fresh_since,
            now: clock.now(),
        };
        let url = service.keys.as_deref().ok_or(ProviderError::Nonsense)?;
        let keys = self.keys(url, outgoing, clock).await?;
        let mut found = id_token::verify(token, &keys, &expected);
        if matches!(found, Err(IdTokenFault::UnknownKey))
            && let Some(newer) = self.newer_keys(&keys, url, outgoing, clock).await?
        {
            found = id_token::verify(token, &newer, &expected);
        }
        let vouched = found.map_err(ProviderError::BadIdToken)?;
        if !profile::is_subject(&vouched.subject) {
            return Err(ProviderError::NoSubject);
        }
        let mut profile = Profile::read(&self.definition, &vouched.claims);
        if let (None, Some(url)) = (&profile.email, &service.userinfo) {
            let access_token = redeemed.tokens.access.expose();
            match http::get::<Value>(outgoing, url, Some(access_token), &[]).await {
                // OpenID Connect Core §5.3.2.
                Ok(said) if said.get("sub").and_then(Value::as_str) != Some(vouched.subject.as_str()) => {
                    return Err(ProviderError::WrongSubject);
                }
                Ok(said) => profile = profile.or(Profile::read(&self.definition, &said)),
                // It keeps the address to itself; who it is, it has said.
                Err(ProviderError::Refused { .. }) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(Person { vouched, profile })
    }

    async fn github_person(
        &self,
        service: &Service,
        outgoing: &Outgoing,
        redeemed: &Redeemed,
    ) -> Result<Person, ProviderError> {
        let url = service.userinfo.as_deref().ok_or(ProviderError::Nonsense)?;
        let (subject, profile) = github::who(outgoing, url, &redeemed.tokens.access).await?;
        self.person(service, subject, profile)
    }

    async fn plain_person(
        &self,
        service: &Service,
        outgoing: &Outgoing,
        redeemed: &Redeemed,
    ) -> Result<Person, ProviderError> {
        let url = service.userinfo.as_deref().ok_or(ProviderError::Nonsense)?;
        let said: Value = http::get(outgoing, url, Some(redeemed.tokens.access.expose()), &[]).await?;
        let subject = profile::subject(&self.definition.claims, &said).ok_or(ProviderError::NoSubject)?;
        self.person(service, subject, Profile::read(&self.definition, &said))
    }

    /// Somebody whom the provider's own endpoint names: there is no ID token to say when they signed in.
    fn person(&self, service: &Service, subject: String, profile: Profile) -> Result<Person, ProviderError> {
        let issuer = service.issuer.of_claims(&Value::Null).map_err(ProviderError::BadIdToken)?;
        Ok(Person { vouched: Vouched { issuer, subject, auth_time: None, claims: Value::Null }, profile })
    }
}
