//! `keyway key import`: one thread reads and checks lines while the store keeps those before them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::thread::JoinHandle;

use anyhow::{Context as _, anyhow, bail};
use keyway_core::Timestamp;
use keyway_portal::flows::keys::{self, ImportKey, ImportReport, KeyRules};
use keyway_store::StoreError;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::house::House;
use crate::output::Output;

/// Lines imported in one transaction. A server beside waits for it, a fraction of a second.
const BATCH: usize = 10_000;
/// Batches that wait, checked.
const AHEAD: usize = 2;
/// The longest line of a file to import, in bytes.
const MAX_LINE: usize = 16 * 1024;

type Batch = Vec<(u64, ImportKey)>;
/// How many lines there are, and those that nothing can be done with.
type Checked = std::io::Result<(u64, Vec<(u64, String)>)>;

#[derive(Serialize)]
struct Imported {
    imported: u64,
    present: u64,
    refused: Vec<RefusedLine>,
}

#[derive(Serialize)]
struct RefusedLine {
    line: u64,
    problem: String,
}

/// Imports a file, and names the lines that were left out.
///
/// # Errors
/// When the file cannot be read, the database fails, or lines were left out. What was imported before stays.
pub(super) async fn run(house: &House, file: &Path, rules: KeyRules, output: Output) -> anyhow::Result<()> {
    let reader = BufReader::new(File::open(file).with_context(|| file.display().to_string())?);
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let checking = check(reader, rules, house.clock.now(), sender)?;
    let mut report = ImportReport::default();
    // One batch is handed to the store while it keeps the one before.
    let mut before = None;
    loop {
        let batch = batches.recv().await;
        let over = batch.is_none();
        let next = batch.map(|batch| tokio::spawn(keep(house, batch)));
        if let Some(kept) = std::mem::replace(&mut before, next) {
            let kept = kept.await??;
            report.imported += kept.imported;
            report.present += kept.present;
            report.refused.extend(kept.refused);
        }
        if over {
            break;
        }
    }
    let checked = checking.join().map_err(|_| anyhow!("the reading ended in a panic"))?;
    let (lines, refused) = checked.with_context(|| file.display().to_string())?;
    report.refused.extend(refused);
    print(report, lines, output)
}

/// Keeps one batch, in one transaction.
fn keep(house: &House, batch: Batch) -> impl Future<Output = Result<ImportReport, StoreError>> + use<> {
    let (act, store) = (house.command(), house.store.clone());
    async move { store.write(move |tx| keys::import(tx, &act, batch)).await }
}

/// Reads and checks all lines on a thread of its own.
fn check(
    mut reader: impl BufRead + Send + 'static,
    rules: KeyRules,
    now: Timestamp,
    sender: mpsc::Sender<Batch>,
) -> std::io::Result<JoinHandle<Checked>> {
    std::thread::Builder::new().name("import".into()).spawn(move || {
        let (mut batch, mut refused, mut number) = (Batch::new(), Vec::new(), 0);
        while let Some(line) = next_line(&mut reader)? {
            number += 1;
            let checked = match line {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => keys::parse_import_line(&text),
                Err(problem) => Err(problem),
            };
            match checked.and_then(|line| keys::check_import_line(&rules, line, now)) {
                Ok(key) => batch.push((number, key)),
                Err(problem) => refused.push((number, problem)),
            }
            if batch.len() == BATCH && sender.blocking_send(std::mem::take(&mut batch)).is_err() {
                // Nobody keeps them any more: the database has failed.
                break;
            }
        }
        if !batch.is_empty() {
            drop(sender.blocking_send(batch));
        }
        Ok((number, refused))
    })
}

fn print(mut report: ImportReport, lines: u64, output: Output) -> anyhow::Result<()> {
    report.refused.sort_unstable();
    let refused = report.refused.into_iter().map(|(line, problem)| RefusedLine { line, problem }).collect();
    let imported = Imported { imported: report.imported, present: report.present, refused };
    output.print(&imported, |i| {
        let mut text = format!("Imported {} keys; {} were there already.\n", i.imported, i.present);
        for refused in &i.refused {
            text.push_str(&format!("  line {}: {}\n", refused.line, refused.problem));
        }
        text
    })?;
    match imported.refused.len() {
        0 => Ok(()),
        count => bail!("{count} of {lines} lines were left out"),
    }
}

/// The next line, of bounded length; what is wrong with it, if something is. `None` at the end.
fn next_line(reader: &mut impl BufRead) -> std::io::Result<Option<Result<String, String>>> {
    let (mut line, mut too_long, mut any) = (Vec::new(), false, false);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        any = true;
        let end = buffer.iter().position(|b| *b == b'\n');
        let taken = end.map_or(buffer.len(), |at| at + 1);
        let room = MAX_LINE.saturating_sub(line.len());
        too_long |= taken > room;
        line.extend(buffer.iter().take(taken.min(room)));
        reader.consume(taken);
        if end.is_some() {
            break;
        }
    }
    Ok(any.then(|| {
        if too_long {
            return Err(format!("longer than {MAX_LINE} bytes"));
        }
        String::from_utf8(line).map_err(|_| "not UTF-8".to_owned())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_one_by_one_and_never_beyond_their_bound() {
        let long = "x".repeat(MAX_LINE + 1);
        let text = format!("one\n\n{long}\ntwo");
        let mut reader = BufReader::with_capacity(7, text.as_bytes());
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut reader).unwrap() {
            lines.push(line.map(|text| text.trim_end().to_owned()));
        }
        let too_long = Err(format!("longer than {MAX_LINE} bytes"));
        assert_eq!(lines, [Ok("one".into()), Ok(String::new()), too_long, Ok("two".into())]);
    }
}
