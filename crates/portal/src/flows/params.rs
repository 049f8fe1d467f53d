//! Request parameters as OAuth has them: each at most once (RFC 6749 §3.1 and §3.2); one without a value counts as
//! omitted (§3.1). `resource` alone may be repeated (RFC 8707 §2).

use std::collections::BTreeMap;

use keyway_core::oauth::{ErrorCode, OauthError};

/// The parameters of a request.
#[derive(Clone, Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text, from a body or a query string.
    ///
    /// # Errors
    /// `invalid_request` if a parameter is repeated or the text, once decoded, is not UTF-8 or has a NUL.
    pub fn parse(text: &[u8]) -> Result<Self, OauthError> {
        let (params, repeated) = Self::read(text)?;
        repeated.first().map_or(Ok(params), |name| Err(Self::repeated(name)))
    }

    /// The same, with the names of repeated parameters apart: the authorization endpoint has to know who asks
    /// before it can say so.
    ///
    /// # Errors
    /// `invalid_request` if the text, once decoded, is not UTF-8 or has a NUL.
    pub fn read(text: &[u8]) -> Result<(Self, Vec<String>), OauthError> {
        let (mut params, mut repeated) = (Self::default(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(text) {
            // What is no UTF-8 is replaced by the decoder: such a value could pass for another. PostgreSQL keeps no
            // NUL.
            if [&name, &value].iter().any(|text| text.contains([char::REPLACEMENT_CHARACTER, '\0'])) {
                return Err(OauthError::new(
                    ErrorCode::InvalidRequest,
                    "parameters must be UTF-8 without NUL",
                ));
            }
            if value.is_empty() {
                continue;
            }
            if name == "resource" {
                params.resources.push(value.into_owned());
            } else if params.values.contains_key(name.as_ref()) {
                repeated.push(name.into_owned());
            } else {
                params.values.insert(name.into_owned(), value.into_owned());
            }
        }
        Ok((params, repeated))
    }

    /// The error for a repeated parameter.
    pub fn repeated(name: &str) -> OauthError {
        let shown: String = name.chars().take(40).collect();
        OauthError::new(ErrorCode::InvalidRequest, format!("the parameter {shown} is repeated"))
    }

    /// Without some of them.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        self.values.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// With one of them set.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.insert(name.to_owned(), value.to_owned());
        self
    }

    /// As a query string.
    pub fn to_query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(&self.values);
        query.extend_pairs(self.resources.iter().map(|resource| ("resource", resource)));
        query.finish()
    }

    /// The parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request`, naming it.
    pub fn require(&self, name: &str) -> Result<&str, OauthError> {
        self.get(name).ok_or_else(|| {
            OauthError::new(ErrorCode::InvalidRequest, format!("the parameter {name} is missing"))
        })
    }

    /// The one API that the request names (RFC 8707); one access token is for one API.
    ///
    /// # Errors
    /// `invalid_target` if it names more than one.
    pub fn resource(&self) -> Result<Option<&str>, OauthError> {
        match self.resources.as_slice() {
            [] => Ok(None),
            [one, rest @ ..] if rest.iter().all(|other| other == one) => Ok(Some(one)),
            _ => Err(OauthError::new(ErrorCode::InvalidTarget, "name one resource at a time")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_parameter_is_refused() {
        let error = Params::parse(b"code=a&code=b").unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidRequest);
        assert!(error.description.contains("code"));
    }

    #[test]
    fn a_parameter_without_value_counts_as_omitted() {
        let params = Params::parse(b"scope=&state=x").unwrap();
        assert_eq!((params.get("scope"), params.get("state")), (None, Some("x")));
        assert!(params.require("scope").is_err());
    }

    #[test]
    fn several_resources_are_no_target() {
        let params = Params::parse(b"resource=https%3A%2F%2Fa&resource=https%3A%2F%2Fb").unwrap();
        assert_eq!(params.resource().unwrap_err().code, ErrorCode::InvalidTarget);
        assert_eq!(Params::parse(b"resource=https%3A%2F%2Fa").unwrap().resource(), Ok(Some("https://a")));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert!(Params::parse(b"state=%ff").is_err());
        assert!(Params::parse(b"nonce=a%00b").is_err());
    }

    #[test]
    fn values_do_not_show_in_debug() {
        let params = Params::parse(b"client_secret=hush").unwrap();
        assert!(!format!("{params:?}").contains("hush"));
    }
}
