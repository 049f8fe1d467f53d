//! Sends one kind of request with many credentials: at a rate, each request counted from when it was due (so that a
//! server that stalls is not spared), or a number of them as fast as they are answered. Prints one line of JSON.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use keyway_bench::connection::Connection;
use keyway_bench::latencies::Latencies;
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
    /// Requests a second, for `--seconds`.
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

/// How long answers may take in the end.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let requests = requests(&arguments)?;
    let total = match (arguments.count, arguments.rate, arguments.seconds) {
        (Some(count), _, _) => count,
        (None, Some(rate), Some(seconds)) => rate as usize * seconds as usize,
        _ => anyhow::bail!("either --count, or --rate and --seconds"),
    };
    let every = arguments.rate.map(|rate| Duration::from_secs(1) / rate.max(1));
    let run = run(&arguments, &requests, total, every)?;
    report(&arguments, run)
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

#[derive(Default)]
struct Run {
    latencies: Latencies,
    refused: usize,
    tokens: Vec<String>,
    seconds: f64,
    sign_ins: usize,
}

/// Asks in a circle and never sleeps: a timer would be coarser than what is measured.
fn run(
    arguments: &Arguments,
    requests: &[Vec<u8>],
    total: usize,
    every: Option<Duration>,
) -> anyhow::Result<Run> {
    let mut connections = (0..arguments.connections.max(1))
        .map(|_| Connection::open(arguments.address))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut run = Run::default();
    let mut people = people(arguments);
    let mut coming = requests.iter().cycle();
    let began = Instant::now();
    let (mut sent, mut last) = (0, began);
    while run.latencies.len() < total {
        let now = Instant::now();
        if let Some(people) = &mut people {
            people.go_on(now)?;
        }
        for connection in &mut connections {
            if let Some((answer, due)) = connection.poll()? {
                last = Instant::now();
                run.latencies.add(last.duration_since(due));
                run.refused += usize::from(!(200..300).contains(&answer.status));
                if arguments.tokens.is_some() {
                    run.tokens.push(access_token(&answer.body)?);
                }
            }
            let due = every.map_or(now, |every| began + every.mul_f64(sent as f64));
            if !connection.is_busy() && sent < total && due <= now {
                connection.send(coming.next().context("no request")?, due)?;
                sent += 1;
            }
        }
        ensure!(now.duration_since(last) < PATIENCE, "no answer for {} s", PATIENCE.as_secs());
    }
    run.seconds = last.duration_since(began).as_secs_f64();
    run.sign_ins = people.map_or(0, |people| people.done);
    Ok(run)
}

fn people(arguments: &Arguments) -> Option<SignIns> {
    let Arguments { sign_ins, portal, origin, who, .. } = arguments;
    Some(SignIns::new((*portal)?, origin.clone()?, who.clone()?, (*sign_ins)?))
}

fn access_token(body: &[u8]) -> anyhow::Result<String> {
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    Ok(answer.get("access_token").and_then(|token| token.as_str()).context("no access_token")?.to_owned())
}

fn report(arguments: &Arguments, mut run: Run) -> anyhow::Result<()> {
    if let Some(file) = &arguments.tokens {
        fs::write(file, run.tokens.join("\n"))?;
    }
    let line = serde_json::json!({
        "requests": run.latencies.len(),
        "refused": run.refused,
        "rate": run.latencies.len() as f64 / run.seconds,
        "mean": run.latencies.mean(),
        "p50": run.latencies.quantile(0.5),
        "sign_ins": run.sign_ins as f64 / run.seconds,
        "p99": run.latencies.quantile(0.99),
    });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
