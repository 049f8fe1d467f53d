//! Scopes as forms show them: grouped by what they reach, each with its description.

use keyway_core::audience::{Access, Api};
use keyway_core::oauth::described;
use keyway_core::scope::{Scope, ScopeSet};
use serde::Serialize;

/// What scopes of one prefix reach: `notes:read` and `notes:write` are one resource.
#[derive(Debug, Serialize)]
pub struct ResourceView<'c> {
    name: String,
    api: &'c str,
    scopes: Vec<ScopeChoice<'c>>,
}

#[derive(Debug, Serialize)]
struct ScopeChoice<'c> {
    name: &'c str,
    description: &'c str,
    access: Access,
    sensitive: bool,
    checked: bool,
}

/// The scopes of `apis` in their order, those in `checked` ticked.
pub fn resources<'c>(apis: &'c [Api], checked: &ScopeSet) -> Vec<ResourceView<'c>> {
    let mut views: Vec<ResourceView<'c>> = Vec::new();
    for api in apis {
        let first = views.len();
        for scope in &api.scopes {
            let name = title(scope.name.split([':', '.', '/']).next().unwrap_or_default());
            let choice = ScopeChoice {
                name: &scope.name,
                description: &scope.description,
                access: scope.access,
                sensitive: scope.sensitive,
                checked: checked.contains(&scope.name),
            };
            match views.iter_mut().skip(first).find(|view| view.name == name) {
                Some(view) => view.scopes.push(choice),
                None => views.push(ResourceView { name, api: &api.name, scopes: vec![choice] }),
            }
        }
    }
    views
}

/// A scope in plain words.
#[derive(Debug, Serialize)]
pub struct ScopeWords {
    name: String,
    description: String,
}

/// Scopes in plain words; one that no API has any more says so.
pub fn in_words(apis: &[Api], scopes: &ScopeSet) -> Vec<ScopeWords> {
    let words = |name: &str| {
        let known = apis.iter().find_map(|api| api.scope(name)).map(|scope| scope.description.as_str());
        known.or_else(|| described(name)).unwrap_or("No longer offered").to_owned()
    };
    let view = |scope: &Scope| ScopeWords { name: scope.to_string(), description: words(scope.as_str()) };
    scopes.iter().map(view).collect()
}

fn title(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyway_core::audience::Catalogue;

    #[test]
    fn scopes_of_one_prefix_stand_together() {
        let apis = [Catalogue::management("http://localhost:8080").unwrap()];
        let views = resources(&apis, &"keys:read".parse().unwrap());
        let shape: Vec<_> = views.iter().map(|view| (view.name.as_str(), view.scopes.len())).collect();
        assert_eq!(shape, [("Keys", 2), ("Apps", 1), ("Usage", 1)]);
        assert!(views[0].scopes[0].checked && !views[0].scopes[1].checked);
    }
}
