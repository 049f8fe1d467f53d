//! What comes from outside, in any form: nothing panics, and nothing but the very credential is accepted.
//!
//! Each target is a plain function of bytes. proptest drives them; `scripts/fuzz` does so ten million times.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail, and says why")]

#[expect(dead_code, reason = "a source that never fails is enough here")]
mod memory;

use std::sync::LazyLock;

use keyway_core::address::AddressList;
use keyway_core::credential::Shapes;
use keyway_guard::RequestParts;
use keyway_guard::extract::{client_address, extract};
use memory::House;
use proptest::prelude::*;
use tokio::runtime::Runtime;

struct World {
    house: House,
    runtime: Runtime,
    shapes: Shapes,
    trusted: AddressList,
}

static WORLD: LazyLock<World> = LazyLock::new(|| World {
    house: House::new(|settings| {
        settings.records_per_second = 0;
        settings.unknown_credentials = "off".parse().unwrap();
    }),
    runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
    shapes: Shapes::default(),
    trusted: "10.0.0.0/8".parse().unwrap(),
});

/// Up to four header values and a query, cut out of the input at zero bytes.
fn headers(data: &[u8]) {
    let mut values = data.split(|byte| *byte == 0);
    let mut next = || values.next();
    let (query, first, second) = (next().unwrap_or_default(), next(), next());
    let (key, proof, hops) = (next(), next(), next().unwrap_or_default());
    let query = String::from_utf8_lossy(query);
    let arrival = WORLD.house.guard.arrive();
    let parts = RequestParts {
        authorization: first.into_iter().chain(second).collect(),
        api_key: key.into_iter().collect(),
        proofs: proof.into_iter().collect(),
        method: "GET",
        path: "/v1/notes",
        query: &query,
        address: client_address(
            Some([10, 0, 0, 1].into()),
            String::from_utf8_lossy(hops).split('\n'),
            &WORLD.trusted,
        ),
        request: arrival.request,
        arrived: arrival.moment,
    };
    if let Ok(found) = extract(&parts, &WORLD.shapes) {
        let given = first.or(key).unwrap();
        assert!(String::from_utf8_lossy(given).contains(found.text), "it is what was sent");
        assert!(second.is_none() && (first.is_none() || key.is_none()), "and the only one");
    }
    let verdict = WORLD.runtime.block_on(WORLD.house.guard.check(&parts));
    assert!(verdict.refusal().is_some(), "nobody guesses a credential");
}

/// The credential itself, as the value of `Authorization: Bearer`.
fn credential(data: &[u8]) {
    let house = &WORLD.house;
    let text = String::from_utf8_lossy(data);
    let verdict = WORLD.runtime.block_on(house.call(&format!("Bearer {text}")));
    let known = [&house.key, &house.token, &house.jwt].into_iter().any(|known| known == text.trim_ascii());
    assert_eq!(verdict.refusal().is_none(), known, "{text}");
}

/// One of the three credentials, damaged: `kind`, then pairs of place and byte.
fn damaged(data: &[u8]) {
    let house = &WORLD.house;
    let Some((kind, changes)) = data.split_first() else { return };
    let whole = match kind % 3 {
        0 => &house.key,
        1 => &house.token,
        _ => &house.jwt,
    };
    let mut bytes = whole.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        if let [high, low, byte] = change {
            let place = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
            match bytes.get_mut(place) {
                // A byte in place of another; now and then the rest is cut off.
                Some(_) if *byte == 0xff => bytes.truncate(place),
                Some(old) => *old = *byte,
                None => bytes.push(*byte),
            }
        }
    }
    credential(&bytes);
}

proptest! {
    #[test]
    fn any_headers(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        headers(&data);
    }

    #[test]
    fn headers_that_look_like_some(
        data in "(access_token=|api_key=)?[a-z_0-9.]{0,40}\u{0}(Bearer|bearer|DPoP|Basic)? ?[ -~]{0,80}(\u{0}[ -~]{0,20})?"
    ) {
        headers(data.as_bytes());
    }

    #[test]
    fn any_credential(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        credential(&data);
    }

    #[test]
    fn credentials_that_look_like_some(
        text in "(keyway_(live|test|at|rt|cs)_[0-9A-Za-z]{30,50}|[A-Za-z0-9_-]{2,60}\\.[A-Za-z0-9_-]{2,60}\\.[A-Za-z0-9_-]{0,90})"
    ) {
        credential(text.as_bytes());
    }

    #[test]
    fn damaged_credentials(data in proptest::collection::vec(any::<u8>(), 1..16)) {
        damaged(&data);
    }
}
