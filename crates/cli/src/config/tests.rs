use figment::Figment;
use figment::providers::{Format, Toml};
use keyway_core::rate::Limit;

use super::*;

fn load(environment: &[(&str, &str)], mode: Mode) -> Result<Config, String> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    // An empty file, so that one in the working folder does not count.
    let file = Some(PathBuf::from("/dev/null"));
    Config::load(&Sources { file, environment, flags: Vec::new() }, mode)
        .map_err(|error| format!("{error:#}"))
}

fn refusal(environment: &[(&str, &str)]) -> String {
    load(environment, Mode::Dev).err().unwrap_or_default()
}

/// The example with every setting taken out of its comment.
fn uncommented(text: &str) -> String {
    let is_setting = |line: &str| {
        line.strip_prefix('#')
            .is_some_and(|rest| !rest.is_empty() && (!rest.starts_with(' ') || rest.starts_with("  {")))
    };
    text.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_parses_and_changes_nothing() {
    let as_it_stands: Written = Figment::new().merge(Toml::string(example::TEXT)).extract().unwrap();
    assert_eq!(format!("{as_it_stands:?}"), format!("{:?}", Written::default()));
}

#[test]
fn the_example_names_every_setting_with_its_default() {
    let text = uncommented(example::TEXT);
    let written: Written = Figment::new().merge(Toml::string(&text)).extract().unwrap();
    let default = Written::default();
    assert_eq!(format!("{:?}", written.limits), format!("{:?}", default.limits));
    assert_eq!(format!("{:?}", written.guard), format!("{:?}", default.guard));
    assert_eq!(format!("{:?}", written.oauth), format!("{:?}", default.oauth));
    assert_eq!(format!("{:?}", written.retention), format!("{:?}", default.retention));
    assert_eq!(format!("{:?}", written.log), format!("{:?}", default.log));
    assert_eq!(written.apis.unwrap(), vec![sample_api("http://localhost:8081").unwrap()]);
    assert_eq!((written.portal_addr, written.api_addr), (default.portal_addr, default.api_addr));
    assert_eq!(written.data_dir, default.data_dir);
    // Whatever is known is in the example: the names that `Written` lists stand there at the start of a line.
    let known =
        Figment::new().merge(Toml::string("nothing_of_the_kind = 1")).extract::<Written>().unwrap_err();
    let figment::error::Kind::UnknownField(_, known) = known.kind else { panic!("{known}") };
    for name in known.iter().filter(|name| !name.ends_with("_file") || **name == "master_key_file") {
        let there = text.lines().any(|line| {
            line.starts_with(&format!("{name} ="))
                || line == format!("[{name}]")
                || line == format!("[[{name}]]")
        });
        assert!(there, "{name} is not in the example");
    }
}

#[test]
fn dev_needs_no_settings() {
    let config = load(&[], Mode::Dev).unwrap();
    assert_eq!(config.public_url.as_str(), "http://localhost:8080");
    assert_eq!(config.database.to_string(), "sqlite://var/keyway.db");
    assert_eq!(config.sample_audience(), "http://localhost:8081");
    assert_eq!((config.sign_up, config.verify_email), (SignUp::Open, VerifyEmail::Never));
    let audiences: Vec<_> =
        config.catalogue.apis().iter().map(|api| api.audience.as_str().to_owned()).collect();
    assert_eq!(audiences, ["http://localhost:8081", "http://localhost:8080/api/v1"]);
}

#[test]
fn the_environment_reaches_into_sections() {
    let config = load(
        &[
            ("KEYWAY_LIMITS__SIGN_IN", "off"),
            ("KEYWAY_LIMITS__CREDENTIAL", "10/s burst=5"),
            ("KEYWAY_PORTAL_ADDR", "127.0.0.1:9000"),
            ("KEYWAY_API_ADDR", "[::1]:9001"),
            ("KEYWAY_DEMO_ADDR", "off"),
            ("KEYWAY_OAUTH__REFRESH_REPEAT", "0s"),
            ("KEYWAY_GUARD__TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
            ("KEYWAY_SMTP_URL", ""),
            ("KEYWAY_TEST_POSTGRES", "postgres:///x"),
        ],
        Mode::Dev,
    )
    .unwrap();
    assert_eq!(config.written.limits.sign_in, Limit::Off);
    assert_eq!(config.written.limits.credential.to_string(), "10/s burst=5");
    assert_eq!(config.written.oauth.refresh_repeat, Duration::ZERO);
    assert_eq!(config.public_url.as_str(), "http://localhost:9000");
    assert_eq!(config.sample_audience(), "http://localhost:9001");
    assert_eq!(config.written.guard.trusted_proxies.len(), 1);
}

#[test]
fn an_unknown_name_is_an_error_that_names_it() {
    assert_eq!(
        refusal(&[("KEYWAY_PUBLIC_URI", "x")]),
        "KEYWAY_PUBLIC_URI: there is no such setting (see `keyway config example`)"
    );
    assert!(
        refusal(&[("KEYWAY_LIMITS__SIGN", "off")])
            .starts_with("KEYWAY_LIMITS__SIGN: there is no such setting")
    );
    assert!(refusal(&[("KEYWAY_LIMITS_SIGN_IN", "off")]).starts_with("KEYWAY_LIMITS_SIGN_IN: "));
    assert!(
        refusal(&[("KEYWAY_LIMITS__SIGN_IN", "often")])
            .starts_with("KEYWAY_LIMITS__SIGN_IN: a rate is written")
    );
    assert!(refusal(&[("KEYWAY_ACCOUNTS__SIGN_UP", "maybe")]).contains("is none of open, closed"));
    assert!(refusal(&[("KEYWAY_", "x")]).contains("there is no such setting"));
}

#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keyway.toml");
    std::fs::write(
        &file,
        "data_dir = \"file\"\npublic_url = \"https://file.example\"\n[log]\nlevel = \"warn\"\n",
    )
    .unwrap();
    let sources = Sources {
        file: Some(file),
        environment: vec![
            ("KEYWAY_PUBLIC_URL".into(), "https://Environment.example:443/".into()),
            ("KEYWAY_DATA_DIR".into(), "environment".into()),
        ],
        flags: vec![("data_dir", "flag".into())],
    };
    let config = Config::load(&sources, Mode::Server).unwrap();
    assert_eq!(config.data_dir, PathBuf::from("flag"));
    assert_eq!(config.public_url.as_str(), "https://environment.example");
    assert_eq!(config.written.log.level, "warn");
    assert_eq!((config.sign_up, config.verify_email), (SignUp::Closed, VerifyEmail::BeforeLiveKey));
}

#[test]
fn a_trusted_issuer_is_judged_with_all_that_it_grants() {
    let one =
        r#"{issuer="https://login.example",audience="http://localhost:8081",algorithms=["ES256"],scopes=[]}"#;
    let issuers = |text: &str| load(&[("KEYWAY_TRUSTED_ISSUERS", text)], Mode::Dev);
    let with = |more: &str| issuers(&format!("[{}]", one.replace("scopes=[]", more)));
    let good = with(r#"scopes=[{when="*",grant=["notes:read"]}]"#).unwrap().trusted_issuers.remove(0);
    assert_eq!((good.api.as_str(), good.typ.as_str()), ("http://localhost:8081", "at+jwt"));
    assert!(good.introspection.is_none() && good.jwks_uri.is_none());
    let asked = r#"scopes=[],introspection_endpoint="https://login.example/i",client_id="keyway""#;
    let with_secret = with(&format!(r#"{asked},client_secret="hunter2-hunter2""#)).unwrap();
    assert!(with_secret.trusted_issuers[0].introspection.is_some());
    assert!(!format!("{with_secret:?}").contains("hunter2"));
    for (more, problem) in [
        (asked, "go together"),
        (r#"scopes=[{when="*",grant=["keys:read"]}]"#, "not a scope of that API"),
        (
            r#"api="http://localhost:8080/api/v1",scopes=[{when="*",grant=["keys:read"]}]"#,
            "not one of [[apis]]",
        ),
        (r#"scopes=[{when="a b",grant=[]}]"#, "neither a scope nor *"),
        (r#"scopes=[],jwks_uri="http://login.example/keys""#, "jwks_uri"),
        (r#"scopes=[],typ="at jwt""#, "typ"),
        (r#"scopes=[],secret="x""#, "there is no such setting"),
    ] {
        let told = with(more).err().unwrap_or_default();
        assert!(told.contains(problem), "{more}: {told}");
    }
    let provider = r#"[{id="a",kind="oidc",issuer="https://login.example",client_id="http://localhost:8081",client_secret="s"}]"#;
    let of_a_provider =
        refusal(&[("KEYWAY_TRUSTED_ISSUERS", &format!("[{one}]")), ("KEYWAY_PROVIDERS", provider)]);
    assert!(of_a_provider.contains("client id"), "{of_a_provider}");
    let twice = issuers(&format!("[{one},{one}]")).unwrap_err();
    assert!(twice.contains("is there twice"), "{twice}");
    for (from, to, problem) in
        [("http://localhost:8081", "client-1", "absolute URI"), ("ES256", "HS256", "HS256")]
    {
        let told = issuers(&format!("[{}]", one.replace(from, to))).unwrap_err();
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn dev_refuses_addresses_that_others_can_reach() {
    assert!(refusal(&[("KEYWAY_PORTAL_ADDR", "0.0.0.0:8080")]).contains("this machine only"));
    assert!(refusal(&[("KEYWAY_API_ADDR", "192.0.2.1:8081")]).contains("this machine only"));
    assert!(load(&[("KEYWAY_PORTAL_ADDR", "0.0.0.0:8080")], Mode::Server).is_ok());
}

#[test]
fn a_public_url_is_an_origin() {
    for bad in [
        "example.com",
        "http://example.com",
        "https://example.com/portal",
        "https://a:b@example.com",
        "ftp://localhost",
    ] {
        assert!(refusal(&[("KEYWAY_PUBLIC_URL", bad)]).contains("public_url"), "{bad}");
    }
}

#[test]
fn a_secret_comes_by_value_or_from_a_file_and_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("smtp");
    std::fs::write(&file, "smtp://user:hunter2@mail.example\n").unwrap();
    let path = file.to_str().unwrap();
    let config = load(&[("KEYWAY_SMTP_URL_FILE", path)], Mode::Server).unwrap();
    assert_eq!(config.smtp_url.as_ref().unwrap().expose(), "smtp://user:hunter2@mail.example");
    assert!(!format!("{config:?}").contains("hunter2"));
    let both = refusal(&[("KEYWAY_SMTP_URL_FILE", path), ("KEYWAY_SMTP_URL", "smtp://other")]);
    assert_eq!(both, "both smtp_url and smtp_url_file are set: keep one");
    assert!(refusal(&[("KEYWAY_SMTP_URL_FILE", "/nowhere/at/all")]).contains("/nowhere/at/all"));
}
