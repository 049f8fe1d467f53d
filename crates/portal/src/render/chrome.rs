//! What every page needs beside its own content: who is signed in, where the reader is, what just happened.

use keyway_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::Branding;

/// What every page needs. No `Debug`: it carries the session's form token.
#[derive(Clone)]
pub struct Chrome {
    /// The form token of this session; every form posts it as `csrf`.
    pub csrf: String,
    /// Who is signed in.
    pub user: Option<ChromeUser>,
    /// The request's path, without the query: marks the navigation item.
    pub path: String,
    /// What the last form did; shown once.
    pub flash: Option<Flash>,
    /// Whether this is `keyway dev`: a banner says that e-mail verification is off.
    pub dev: bool,
    /// The moment that relative times are relative to.
    pub now: Timestamp,
}

/// The signed-in person, as pages show them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChromeUser {
    /// Their name.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Whether they administer the portal.
    pub is_admin: bool,
}

/// What happened and what next, in one or two sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// Its colour and shape.
    pub kind: FlashKind,
    /// Plain text.
    pub text: String,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlashKind {
    /// It was done.
    Ok,
    /// It was done, and something wants attention.
    Attention,
    /// It was not done.
    Refused,
}

#[derive(Serialize)]
pub(super) struct ChromeView<'a> {
    brand: &'a Branding,
    csrf: &'a str,
    user: Option<&'a ChromeUser>,
    path: &'a str,
    nav: Vec<NavGroup>,
    flash: Option<&'a Flash>,
    dev: bool,
    now: Timestamp,
}

#[derive(Serialize)]
pub(super) struct MailView<'a> {
    pub(super) brand: &'a Branding,
    pub(super) now: Timestamp,
}

/// Items that belong together, under a heading where they have one.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct NavGroup {
    heading: &'static str,
    items: Vec<NavItem>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct NavItem {
    label: &'static str,
    href: &'static str,
    icon: &'static str,
    current: bool,
}

/// Label, address, icon, and the path under which it is the current item.
type Item = (&'static str, &'static str, &'static str, &'static str);

/// Headings, and what stands under them.
const NAVIGATION: &[(&str, &[Item])] = &[
    ("", &[("Overview", "/", "home", "/")]),
    (
        "Access",
        &[
            ("Credentials", "/credentials", "ledger", "/credentials"),
            ("Keys", "/keys", "key", "/keys"),
            ("JWTs", "/tokens", "token", "/tokens"),
            ("Apps", "/apps", "app", "/apps"),
            ("Authorised apps", "/authorized", "shield", "/authorized"),
        ],
    ),
    (
        "Activity",
        &[
            ("Usage", "/usage", "chart", "/usage"),
            ("Requests", "/requests", "list", "/requests"),
            ("Audit", "/audit", "log", "/audit"),
        ],
    ),
    (
        "Account",
        &[
            ("Connections", "/connections", "plug", "/connections"),
            ("Settings", "/settings/profile", "gear", "/settings"),
        ],
    ),
];

/// The same for administrators alone.
const ADMINISTRATION: &[(&str, &[Item])] =
    &[("Administration", &[("Providers", "/admin/providers", "door", "/admin/providers")])];

fn navigation(path: &str, is_admin: bool) -> Vec<NavGroup> {
    let within =
        |under: &str| path == under || path.strip_prefix(under).is_some_and(|rest| rest.starts_with('/'));
    let item = |&(label, href, icon, under): &Item| NavItem { label, href, icon, current: within(under) };
    let group = |&(heading, items): &(&'static str, &'static [Item])| NavGroup {
        heading,
        items: items.iter().map(item).collect(),
    };
    let further = if is_admin { ADMINISTRATION } else { &[] };
    NAVIGATION.iter().chain(further).map(group).collect()
}

impl Chrome {
    pub(super) fn view<'a>(&'a self, brand: &'a Branding) -> ChromeView<'a> {
        ChromeView {
            brand,
            csrf: &self.csrf,
            user: self.user.as_ref(),
            path: &self.path,
            nav: navigation(&self.path, self.user.as_ref().is_some_and(|user| user.is_admin)),
            flash: self.flash.as_ref(),
            dev: self.dev,
            now: self.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_navigation_item_is_current() {
        let items = |path, is_admin| navigation(path, is_admin).into_iter().flat_map(|group| group.items);
        let current = |path| -> Vec<_> { items(path, true).filter(|i| i.current).map(|i| i.label).collect() };
        assert_eq!(current("/"), ["Overview"]);
        assert_eq!(current("/keys/new"), ["Keys"]);
        assert_eq!(current("/requests/explain"), ["Requests"]);
        assert_eq!(current("/settings/sessions"), ["Settings"]);
        assert_eq!(current("/admin/providers/acme"), ["Providers"]);
        assert!(items("/", false).all(|item| !item.href.starts_with("/admin")));
        assert!(current("/keyscape").is_empty());
    }
}
