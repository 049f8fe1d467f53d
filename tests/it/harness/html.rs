//! Just enough HTML to fill in forms as a browser does.

/// A form of a page, with what its fields hold.
#[derive(Clone, Debug)]
pub struct Form {
    pub action: String,
    pub method: String,
    pub fields: Vec<(String, String)>,
    /// Names of all fields, those included that hold nothing now (unticked boxes).
    pub names: Vec<String>,
}

impl Form {
    /// Sets a field to one value, in place of all that it held.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
    /// Adds another value to a field.
    pub fn add(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
    /// Leaves a field out.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| n != name);
        self
    }
    /// What a field holds.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    /// As a browser sends it.
    pub fn body(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

/// A start tag: its name and attributes.
#[derive(Debug)]
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, String)>,
    /// What follows the tag.
    rest: &'a str,
}

impl Tag<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }
    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// The forms of a page, in order.
pub fn forms(page: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut rest = page;
    while let Some(tag) = next_tag(rest) {
        rest = tag.rest;
        if tag.name == "form" {
            let end = rest.find("</form").unwrap_or(rest.len());
            forms.push(form(&tag, &rest[..end]));
        }
    }
    forms
}

fn form(tag: &Tag<'_>, inside: &str) -> Form {
    let mut form = Form {
        action: tag.get("action").unwrap_or_default().to_owned(),
        method: tag.get("method").unwrap_or("get").to_ascii_lowercase(),
        fields: Vec::new(),
        names: Vec::new(),
    };
    let mut rest = inside;
    let mut select: Option<(String, bool)> = None;
    while let Some(tag) = next_tag(rest) {
        rest = tag.rest;
        let name = tag.get("name").unwrap_or_default().to_owned();
        match tag.name {
            "input" | "textarea" | "select" if name.is_empty() || tag.has("disabled") => {}
            "input" => {
                let kind = tag.get("type").unwrap_or("text");
                let ticked = !matches!(kind, "checkbox" | "radio") || tag.has("checked");
                note(&mut form, &name);
                if ticked && !matches!(kind, "submit" | "button" | "file") {
                    form.fields.push((
                        name,
                        tag.get("value").unwrap_or(if kind == "checkbox" { "on" } else { "" }).to_owned(),
                    ));
                }
            }
            "textarea" => {
                let end = rest.find("</textarea").unwrap_or(rest.len());
                note(&mut form, &name);
                form.fields.push((name, unescape(&rest[..end])));
            }
            "select" => {
                note(&mut form, &name);
                select = Some((name, false));
            }
            "option" => {
                if let Some((name, chosen)) = &mut select {
                    let text_end = rest.find('<').unwrap_or(rest.len());
                    let value =
                        tag.get("value").map_or_else(|| unescape(rest[..text_end].trim()), str::to_owned);
                    if tag.has("selected") {
                        form.fields.retain(|(n, _)| n != name);
                        form.fields.push((name.clone(), value));
                        *chosen = true;
                    } else if !*chosen && !form.fields.iter().any(|(n, _)| n == name) {
                        form.fields.push((name.clone(), value));
                    }
                }
            }
            _ => {}
        }
    }
    form
}

fn note(form: &mut Form, name: &str) {
    if !form.names.iter().any(|n| n == name) {
        form.names.push(name.to_owned());
    }
}

fn next_tag(text: &str) -> Option<Tag<'_>> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('<')?;
        let after = &text[at + 1..];
        if after.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Some(read_tag(after));
        }
        from = at + 1;
    }
}

fn read_tag(text: &str) -> Tag<'_> {
    let name_end = text.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(text.len());
    let (name, mut rest) = text.split_at(name_end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Tag { name, attributes, rest: after };
        }
        if rest.is_empty() {
            return Tag { name, attributes, rest };
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len())
            .max(1);
        let (key, after) = rest.split_at(end);
        match after.strip_prefix('=') {
            Some(value) => {
                let (value, after) = match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => {
                        let value = &value[1..];
                        let end = value.find(quote).unwrap_or(value.len());
                        (&value[..end], value.get(end + 1..).unwrap_or_default())
                    }
                    _ => {
                        let end = value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len());
                        value.split_at(end)
                    }
                };
                attributes.push((key, unescape(value)));
                rest = after;
            }
            None => {
                attributes.push((key, String::new()));
                rest = after;
            }
        }
    }
}

/// Takes character references back; those that our templates write.
pub fn unescape(text: &str) -> String {
    let mut out = text.to_owned();
    for (escaped, plain) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ] {
        out = out.replace(escaped, plain);
    }
    out
}

#[test]
fn a_form_holds_what_a_browser_would_send() {
    let page = r#"<a href="/x">x</a><form method="post" action="/keys?a=1&amp;b=2"><input type="hidden" name="csrf" value="t&quot;">
        <input name=name required value="My key"><input type="checkbox" name="scope" value="a" checked><input
        type="checkbox" name="scope" value="b"/><select name="expires"><option value="30">30</option><option selected
        value="90">90</option></select><textarea name="note">&lt;hi&gt;</textarea><button>Go</button></form>"#;
    let form = forms(page).remove(0);
    assert_eq!((form.action.as_str(), form.method.as_str()), ("/keys?a=1&b=2", "post"));
    let pairs: Vec<(&str, &str)> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        pairs,
        [("csrf", "t\""), ("name", "My key"), ("scope", "a"), ("expires", "90"), ("note", "<hi>")]
    );
    assert_eq!(form.set("name", "x").without("note").get("note"), None);
}
