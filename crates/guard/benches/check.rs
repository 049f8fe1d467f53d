//! What a check costs: accepted with each kind of credential, refused, and a JWT seen for the first time beside the
//! bare check of its signature. Compare within one run only.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a bench that cannot go on must fail")]

#[expect(dead_code, reason = "a source that never fails is enough here")]
#[path = "../tests/memory/mod.rs"]
mod memory;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use keyway_core::credential::{Brand, Kind, generate};
use keyway_core::random::SeededRandom;
use memory::House;

fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = House::new(|settings| settings.records_per_second = 0);
    let call = |header: &str| runtime.block_on(house.call(header));
    // `block_on` itself, which every figure contains.
    criterion.bench_function("nothing", |b| b.iter(|| runtime.block_on(async {})));

    let mut accept = criterion.benchmark_group("accept");
    for (name, credential) in [("api key", &house.key), ("opaque token", &house.token), ("jwt", &house.jwt)] {
        let header = format!("Bearer {credential}");
        accept.bench_function(name, |b| b.iter(|| call(&header)));
    }
    accept.finish();

    let mut refuse = criterion.benchmark_group("refuse");
    let unknown = generate(&Brand::default(), Kind::LiveKey, &SeededRandom::new(9));
    let mistyped = house.key.get(..house.key.len() - 1).map(|start| format!("Bearer {start}-")).unwrap();
    let wrong = format!("Bearer {}", swapped(&house.key));
    let spent = format!("Bearer {}", house.spent);
    call(&spent);
    for (name, header) in [
        ("unknown", format!("Bearer {}", unknown.expose())),
        ("wrong checksum", wrong),
        ("wrong form", mistyped),
        ("over the limit", spent),
    ] {
        refuse.bench_function(name, |b| b.iter(|| call(&header)));
    }
    refuse.finish();

    let mut first = criterion.benchmark_group("first seen");
    first.bench_function("jwt", |b| {
        b.iter_batched(
            || format!("Bearer {}", house.another_jwt()),
            |header| call(&header),
            BatchSize::SmallInput,
        );
    });
    first.bench_function("signature alone", |b| {
        b.iter_batched(|| house.another_jwt(), |jwt| house.verify(&jwt), BatchSize::SmallInput);
    });
    first.finish();
}

/// Two neighbouring characters of the random part change places, as in a typing error.
fn swapped(key: &str) -> String {
    let mut characters: Vec<char> = key.chars().collect();
    let at = (15..characters.len() - 8).find(|at| characters[*at] != characters[at + 1]).unwrap();
    characters.swap(at, at + 1);
    characters.into_iter().collect()
}

criterion_group!(benches, bench);
criterion_main!(benches);
