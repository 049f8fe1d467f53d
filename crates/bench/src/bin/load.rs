//! Sends one kind of request with many credentials: at a rate, each request counted from when it was due (so that a
//! server that stalls is not spared), or as fast as they are answered, a number of them or for a while. Prints one
//! line of JSON: counts, rates a second, latencies in microseconds.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Parser;
use keyway_bench::connection::Answer;
use keyway_bench::driver::{Pace, Run, run};
use keyway_bench::sign_ins::SignIns;

#[derive(Parser)]
struct Arguments {
    /// Where the server listens.
    #[arg(long)]
    address: SocketAddr,
    /// The path.
    #[arg(long, default_value = "/v1/whoami")]
    path: String,
    /// A file of credentials, one a line, which take turns in `Authorization: Bearer`.
    #[arg(long)]
    bearer: Option<PathBuf>,
    /// The value of `Authorization: Basic`.
    #[arg(long)]
    basic: Option<String>,
    /// A form to post.
    #[arg(long)]
    form: Option<String>,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a second, for `--seconds`; otherwise as fast as they are answered.
    #[arg(long, requires = "seconds")]
    rate: Option<u32>,
    /// How long.
    #[arg(long)]
    seconds: Option<u32>,
    /// This many requests instead, as fast as they are answered.
    #[arg(long, conflicts_with = "rate")]
    count: Option<usize>,
    /// So many people sign in a second, beside the requests.
    #[arg(long, requires_all = ["portal", "origin", "who"])]
    sign_ins: Option<u32>,
    /// Where they do: the portal's address.
    #[arg(long)]
    portal: Option<SocketAddr>,
    /// The portal's origin, as a browser sends it.
    #[arg(long)]
    origin: Option<String>,
    /// `email=…&password=…`, encoded.
    #[arg(long)]
    who: Option<String>,
    /// Where the access tokens of the answers go, one a line.
    #[arg(long)]
    tokens: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let requests = requests(&arguments)?;
    let mut people = people(&arguments);
    let (mut refused, mut tokens) = (0_usize, Vec::new());
    let each = |answer: &Answer<'_>| {
        refused += usize::from(!(200..300).contains(&answer.status));
        if arguments.tokens.is_some() {
            tokens.push(access_token(answer.body)?);
        }
        Ok(())
    };
    let (address, connections) = (arguments.address, arguments.connections);
    let run = run(address, connections, &requests, pace(&arguments)?, &mut people, each)?;
    if let Some(file) = &arguments.tokens {
        fs::write(file, tokens.join("\n"))?;
    }
    report(run, refused, people)
}

fn requests(arguments: &Arguments) -> anyhow::Result<Vec<Vec<u8>>> {
    let (address, path) = (arguments.address, &arguments.path);
    let method = if arguments.form.is_some() { "POST" } else { "GET" };
    let form = arguments.form.as_deref().unwrap_or_default();
    let content = match &arguments.form {
        Some(form) => {
            let length = form.len();
            format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n")
        }
        None => String::new(),
    };
    let request = |authorization: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}{content}\r\n{form}")
            .into_bytes()
    };
    let Some(file) = &arguments.bearer else {
        let basic = arguments.basic.as_ref().map(|basic| format!("Authorization: Basic {basic}\r\n"));
        return Ok(vec![request(&basic.unwrap_or_default())]);
    };
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let requests: Vec<_> =
        text.lines().map(|line| request(&format!("Authorization: Bearer {line}\r\n"))).collect();
    ensure!(!requests.is_empty(), "no credentials in {}", file.display());
    Ok(requests)
}

fn pace(arguments: &Arguments) -> anyhow::Result<Pace> {
    let seconds = arguments.seconds.map(|seconds| Duration::from_secs(seconds.into()));
    Ok(match (arguments.count, arguments.rate, seconds) {
        (Some(count), _, _) => Pace::Count(count),
        (None, Some(rate), Some(seconds)) => {
            let every = Duration::from_secs(1) / rate.max(1);
            Pace::Rate { every, count: rate as usize * seconds.as_secs() as usize }
        }
        (None, None, Some(seconds)) => Pace::Span(seconds),
        (None, _, None) => anyhow::bail!("either --count or --seconds"),
    })
}

fn people(arguments: &Arguments) -> Option<SignIns> {
    let Arguments { sign_ins, portal, origin, who, .. } = arguments;
    Some(SignIns::new((*portal)?, origin.clone()?, who.clone()?, (*sign_ins)?))
}

fn access_token(body: &[u8]) -> anyhow::Result<String> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    Ok(answer.get("access_token").and_then(|token| token.as_str()).context("no access_token")?.to_owned())
}

fn report(mut run: Run, refused: usize, people: Option<SignIns>) -> anyhow::Result<()> {
    let seconds = run.span.as_secs_f64();
    let mut line = serde_json::json!({
        "requests": run.latencies.len(),
        "refused": refused,
        "rate": run.latencies.len() as f64 / seconds,
        "mean": run.latencies.mean(),
        "p50": run.latencies.quantile(0.5),
        "p99": run.latencies.quantile(0.99),
        "late_p99": run.late.quantile(0.99),
    });
    if let (Some(mut people), Some(line)) = (people, line.as_object_mut()) {
        line.insert("sign_ins".into(), (people.done.len() as f64 / seconds).into());
        line.insert("sign_in_p50".into(), people.done.quantile(0.5).into());
        line.insert("turned_away".into(), people.turned_away.into());
    }
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
