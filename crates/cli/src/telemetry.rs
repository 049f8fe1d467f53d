//! Log lines: text or JSON on the standard error stream. Whatever looks like a credential is masked on its way out,
//! as a last line of defence: nothing is supposed to log one.

use std::io::{self, Write};

use anyhow::Context;
use keyway_core::credential;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::sections::{Log, LogFormat};

/// Starts logging for this process.
///
/// # Errors
/// When `log.level` is no filter, or logging was started before.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().parse(&log.level).context("log.level")?;
    // A line that cannot be written is lost. Complaining about it on the same stream would panic, in whatever thread.
    let subscriber = tracing_subscriber::fmt()
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(Masked(io::stderr));
    let started = match log.format {
        LogFormat::Text => subscriber.with_ansi(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging: {error}"))
}

/// Makes writers that mask. The formatter hands over a whole line at once, so no credential is cut in two.
#[derive(Clone, Copy)]
struct Masked<M>(M);

struct MaskedWriter<W>(W);

impl<W: Write> Write for MaskedWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.0.write_all(credential::mask(&text).as_bytes())?;
        Ok(line.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Masked<M> {
    type Writer = MaskedWriter<M::Writer>;
    fn make_writer(&'a self) -> Self::Writer {
        MaskedWriter(self.0.make_writer())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyway_core::credential::{Brand, Kind, generate};
    use keyway_core::random::SeededRandom;

    use super::*;

    /// A line buffer shared with the subscriber.
    #[derive(Clone, Default)]
    struct Buffer(Arc<std::sync::Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_credential_that_strays_into_a_log_line_is_masked() {
        let buffer = Buffer::default();
        let inner = buffer.clone();
        let secret = generate(&Brand::default(), Kind::LiveKey, &SeededRandom::new(3));
        for json in [false, true] {
            let made = inner.clone();
            let builder = tracing_subscriber::fmt().with_writer(Masked(move || made.clone()));
            let log = || tracing::info!(key = secret.expose(), "somebody called with {}", secret.expose());
            if json {
                tracing::subscriber::with_default(builder.json().finish(), log);
            } else {
                tracing::subscriber::with_default(builder.with_ansi(false).finish(), log);
            }
        }
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(
            !text.contains(secret.expose()) && text.contains("somebody called with keyway_live_"),
            "{text}"
        );
    }
}
