//! How long the bare check of one JWT's signature takes: no claims, no cache.

use std::hint::black_box;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, crypto};

#[derive(Parser)]
struct Arguments {
    /// The published keys, as JSON.
    #[arg(long)]
    jwks: PathBuf,
    /// A file whose first line is a token.
    #[arg(long)]
    token: PathBuf,
}

/// How long is measured.
const SPAN: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let text = std::fs::read_to_string(&arguments.token)?;
    let token = text.lines().next().context("no token")?;
    let (message, signature) = token.rsplit_once('.').context("not a JWT")?;
    let header = jsonwebtoken::decode_header(token)?;
    let keys: JwkSet = serde_json::from_slice(&std::fs::read(&arguments.jwks)?)?;
    let kid = header.kid.context("no kid")?;
    let key = DecodingKey::from_jwk(keys.find(&kid).context("the key is not published")?)?;
    let (began, mut count) = (Instant::now(), 0_u32);
    while began.elapsed() < SPAN {
        let good = crypto::verify(black_box(signature), black_box(message.as_bytes()), &key, header.alg)?;
        anyhow::ensure!(good, "the signature is none");
        count += 1;
    }
    let micros = began.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    writeln!(std::io::stdout(), "{}", serde_json::json!({ "micros": micros }))?;
    Ok(())
}
