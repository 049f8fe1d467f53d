//! Exactly one credential, from where one may be, judged by its shape. Costs no look-up and allocates nothing.

use std::net::IpAddr;

use keyway_core::address::{AddressList, canonical};
use keyway_core::clock::Moment;
use keyway_core::credential::{Shape, Shapes};
use keyway_core::ids::RequestId;
use keyway_core::refusal::{Check, Refusal};
use smallvec::SmallVec;

/// What a guard needs to know of a request.
#[derive(Clone, Debug)]
pub struct RequestParts<'a> {
    /// The values of all `Authorization` headers.
    pub authorization: SmallVec<[&'a [u8]; 2]>,
    /// The values of all `X-API-Key` headers.
    pub api_key: SmallVec<[&'a [u8]; 2]>,
    /// The values of all `DPoP` headers; needed only where an `Authorization` header [`is_dpop`].
    pub proofs: SmallVec<[&'a [u8]; 1]>,
    /// The method.
    pub method: &'a str,
    /// The path, as it stands in the request.
    pub path: &'a str,
    /// The query string, without `?`.
    pub query: &'a str,
    /// The client's address: see [`client_address`].
    pub address: Option<IpAddr>,
    /// The request's id, as sent back.
    pub request: RequestId,
    /// When it came in: the one reading of both clocks for this request.
    pub arrived: Moment,
}

/// What a presented credential can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An API key.
    ApiKey,
    /// An opaque access token.
    AccessToken,
    /// A JWT, not verified yet.
    Jwt,
}

/// The way in which a credential was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Authorization: Bearer`, or `X-API-Key`.
    Plain,
    /// `Authorization: DPoP` (RFC 9449 §7.1).
    Dpop,
}

/// A credential as presented.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Presented<'a> {
    /// The credential.
    pub text: &'a str,
    /// What it can be.
    pub form: Form,
    /// How it was presented.
    pub scheme: Scheme,
}

/// Query parameters in which people put credentials (RFC 6750 §2.3 among them). None is accepted.
const QUERY_NAMES: [&str; 3] = ["access_token", "api_key", "key"];

/// The one credential of the request.
///
/// # Errors
/// [`Refusal`] with [`Check::Parsed`] or [`Check::Checksum`].
pub fn extract<'a>(parts: &RequestParts<'a>, shapes: &Shapes) -> Result<Presented<'a>, Refusal> {
    if in_query(parts.query, shapes) {
        return Err(Refusal::CredentialInQuery);
    }
    let ((value, scheme), only_keys) = match (parts.authorization.as_slice(), parts.api_key.as_slice()) {
        ([], []) => return Err(Refusal::MissingCredential),
        ([value], []) => (token_of(value)?, false),
        ([], [value]) => ((*value, Scheme::Plain), true),
        _ => return Err(Refusal::SeveralCredentials),
    };
    let malformed = Refusal::InvalidCredential(Check::Parsed);
    let Ok(text) = std::str::from_utf8(value) else { return Err(malformed) };
    let form = match shapes.classify(text) {
        Shape::ApiKey => Form::ApiKey,
        Shape::AccessToken if !only_keys => Form::AccessToken,
        Shape::Jwt if !only_keys => Form::Jwt,
        Shape::BadChecksum => return Err(Refusal::InvalidCredential(Check::Checksum)),
        Shape::AccessToken | Shape::Jwt | Shape::WrongKind(_) | Shape::Unknown => return Err(malformed),
    };
    Ok(Presented { text, form, scheme })
}

/// Whether an `Authorization` header has the scheme DPoP. Of any other, one byte is looked at.
pub fn is_dpop(authorization: &[u8]) -> bool {
    matches!(authorization, [b'D' | b'd', ..]) && matches!(token_of(authorization), Ok((_, Scheme::Dpop)))
}

/// The token of `Bearer 1*SP token` (RFC 6750 §2.1) or `DPoP 1*SP token` (RFC 9449 §7.1); schemes know no case
/// (RFC 9110 §11.1).
///
/// # Errors
/// [`Refusal::UnsupportedScheme`].
pub fn token_of(value: &[u8]) -> Result<(&[u8], Scheme), Refusal> {
    let value = value.trim_ascii();
    let end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(end).unwrap_or((value, &[]));
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Ok((rest.trim_ascii(), Scheme::Plain))
    } else if scheme.eq_ignore_ascii_case(b"dpop") {
        Ok((rest.trim_ascii(), Scheme::Dpop))
    } else {
        Err(Refusal::UnsupportedScheme)
    }
}

fn in_query(query: &str, shapes: &Shapes) -> bool {
    !query.is_empty()
        && query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .any(|(name, value)| QUERY_NAMES.contains(&name) && shapes.classify(value) != Shape::Unknown)
}

/// The address that a call comes from: the peer's, or, behind trusted proxies, the last one in `X-Forwarded-For`
/// that is not a trusted proxy itself. What stands before it was written by the client and is not believed.
pub fn client_address<'h>(
    peer: Option<IpAddr>,
    forwarded_for: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &AddressList,
) -> Option<IpAddr> {
    let mut address = canonical(peer?);
    for header in forwarded_for.rev() {
        for hop in header.rsplit(',') {
            if !trusted.contains(address) {
                return Some(address);
            }
            // What cannot be read ends the trusted part of the chain: the proxy that wrote it is the client.
            let Ok(next) = hop.trim().parse::<IpAddr>() else { return Some(address) };
            address = canonical(next);
        }
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use keyway_core::credential::{Kind, generate};
    use keyway_core::ids::EntityId;
    use keyway_core::random::SeededRandom;
    use smallvec::smallvec;

    use super::*;

    fn parts<'a>() -> RequestParts<'a> {
        RequestParts {
            authorization: smallvec![],
            api_key: smallvec![],
            proofs: smallvec![],
            method: "GET",
            path: "/",
            query: "",
            address: None,
            request: RequestId::from_entity(EntityId::new(Moment::default().wall, &SeededRandom::new(1))),
            arrived: Moment::default(),
        }
    }

    fn secret(kind: Kind) -> String {
        generate(&Shapes::default().brand, kind, &SeededRandom::new(7)).expose().to_owned()
    }

    fn with(authorization: &[&str], api_key: &[&str], query: &str) -> Result<Form, Refusal> {
        let authorization: Vec<String> = authorization.iter().map(ToString::to_string).collect();
        let api_key: Vec<String> = api_key.iter().map(ToString::to_string).collect();
        let query = query.to_owned();
        let parts = RequestParts {
            authorization: authorization.iter().map(String::as_bytes).collect(),
            api_key: api_key.iter().map(String::as_bytes).collect(),
            query: &query,
            ..parts()
        };
        extract(&parts, &Shapes::default()).map(|p| p.form)
    }

    #[test]
    fn each_of_the_three_is_told_by_its_shape() {
        let bearer = |text: &str| with(&[&format!("bearer  {text}")], &[], "");
        assert_eq!(bearer(&secret(Kind::LiveKey)), Ok(Form::ApiKey));
        assert_eq!(bearer(&secret(Kind::TestKey)), Ok(Form::ApiKey));
        assert_eq!(bearer(&secret(Kind::AccessToken)), Ok(Form::AccessToken));
        assert_eq!(bearer("aa.bb.cc"), Ok(Form::Jwt));
        assert_eq!(with(&[], &[&secret(Kind::LiveKey)], ""), Ok(Form::ApiKey));
        assert_eq!(with(&[&format!("DPOP  {}", secret(Kind::AccessToken))], &[], ""), Ok(Form::AccessToken));
    }

    #[test]
    fn the_scheme_is_told_whatever_its_case() {
        for (header, expected) in [("DPoP a.b.c", true), ("dpop", true), ("Bearer a.b.c", false), ("", false)]
        {
            assert_eq!(is_dpop(header.as_bytes()), expected, "{header}");
        }
    }

    #[test]
    fn a_call_carries_exactly_one_credential() {
        let key = secret(Kind::LiveKey);
        let bearer = format!("Bearer {key}");
        assert_eq!(with(&[], &[], ""), Err(Refusal::MissingCredential));
        assert_eq!(with(&[&bearer], &[&key], ""), Err(Refusal::SeveralCredentials));
        assert_eq!(with(&[&bearer, &bearer], &[], ""), Err(Refusal::SeveralCredentials));
        assert_eq!(with(&[], &[&key, &key], ""), Err(Refusal::SeveralCredentials));
    }

    #[test]
    fn the_query_string_is_no_place_for_a_credential() {
        let key = secret(Kind::LiveKey);
        assert_eq!(with(&[], &[], &format!("a=1&api_key={key}")), Err(Refusal::CredentialInQuery));
        assert_eq!(
            with(&[&format!("Bearer {key}")], &[], "access_token=a.b.c"),
            Err(Refusal::CredentialInQuery)
        );
        assert_eq!(with(&[], &[], "key=colour"), Err(Refusal::MissingCredential));
    }

    #[test]
    fn what_is_no_credential_for_an_api_is_refused_unseen() {
        let parsed = Err(Refusal::InvalidCredential(Check::Parsed));
        assert_eq!(with(&["Basic YTpi"], &[], ""), Err(Refusal::UnsupportedScheme));
        assert_eq!(with(&["Bearer"], &[], ""), parsed);
        assert_eq!(with(&["Bearer "], &[], ""), parsed);
        assert_eq!(with(&[""], &[], ""), Err(Refusal::UnsupportedScheme));
        assert_eq!(with(&[&format!("Bearer {}", secret(Kind::RefreshToken))], &[], ""), parsed);
        assert_eq!(with(&[], &["aa.bb.cc"], ""), parsed);
        assert_eq!(with(&[], &[&secret(Kind::AccessToken)], ""), parsed);
        let mut typo = secret(Kind::LiveKey);
        typo.replace_range(15..16, if &typo[15..16] == "a" { "b" } else { "a" });
        assert_eq!(with(&[], &[&typo], ""), Err(Refusal::InvalidCredential(Check::Checksum)));
    }

    #[test]
    fn forwarded_addresses_count_from_trusted_proxies_alone() {
        let trusted: AddressList = "10.0.0.0/8".parse().unwrap();
        let from = |peer: &str, forwarded: &[&str]| {
            client_address(Some(peer.parse().unwrap()), forwarded.iter().copied(), &trusted)
                .unwrap()
                .to_string()
        };
        assert_eq!(from("192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(from("10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(from("10.0.0.1", &["garbage"]), "10.0.0.1");
        assert_eq!(from("::ffff:10.0.0.1", &[]), "10.0.0.1");
    }
}
