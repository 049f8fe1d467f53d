use super::*;
use keyway_store::Tx;
use keyway_store::testing::{Backend, START, TestDatabase};

fn guesser(email: &str, address: &str) -> Guesser {
    Guesser { email: Email::parse(email).unwrap(), address: address.parse().unwrap(), known_browser: None }
}

fn limit() -> Limit {
    "10/min burst=10".parse().unwrap()
}

async fn on_both<F>(f: F)
where
    F: Fn(&mut Tx<'_>) -> Result<(), StoreError> + Clone + Send + 'static,
{
    for backend in Backend::ALL {
        let database = TestDatabase::new(backend);
        let (store, _clock) = database.store_at_start();
        let f = f.clone();
        store.write(move |tx| f(tx)).await.unwrap();
        store.close().await;
    }
}

#[tokio::test]
async fn the_fourth_guess_at_once_must_wait_and_waits_grow() {
    on_both(|tx| {
        let (who, mut now) = (guesser("ada@example.com", "192.0.2.1"), START);
        for _ in 0..3 {
            assert_eq!(begin(tx.conn(), limit(), &who, now)?, Decision::Try(Duration::ZERO));
        }
        assert_eq!(begin(tx.conn(), limit(), &who, now)?, Decision::Wait(5));
        now = now + Duration::seconds(5);
        assert_eq!(begin(tx.conn(), limit(), &who, now)?, Decision::Try(Duration::ZERO));
        assert_eq!(begin(tx.conn(), limit(), &who, now)?, Decision::Wait(10));
        // Somebody else at the same address is not held up.
        let other = guesser("bob@example.com", "192.0.2.1");
        assert_eq!(begin(tx.conn(), limit(), &other, now)?, Decision::Try(Duration::ZERO));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_success_forgets_what_was_counted() {
    on_both(|tx| {
        let who = guesser("ada@example.com", "192.0.2.1");
        for _ in 0..50 {
            assert_eq!(begin(tx.conn(), limit(), &who, START)?, Decision::Try(Duration::ZERO));
            succeeded(tx.conn(), limit(), &who, START)?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_address_that_guesses_at_many_accounts_must_wait() {
    on_both(|tx| {
        for n in 0..10 {
            let who = guesser(&format!("user{n}@example.com"), "192.0.2.1");
            assert_eq!(begin(tx.conn(), limit(), &who, START)?, Decision::Try(Duration::ZERO));
        }
        let next = guesser("user10@example.com", "192.0.2.1");
        assert_eq!(begin(tx.conn(), limit(), &next, START)?, Decision::Wait(6));
        let elsewhere = guesser("user10@example.com", "192.0.2.2");
        assert_eq!(begin(tx.conn(), limit(), &elsewhere, START)?, Decision::Try(Duration::ZERO));
        assert_eq!(
            begin(tx.conn(), limit(), &next, START + Duration::seconds(6))?,
            Decision::Try(Duration::ZERO)
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn many_addresses_slow_an_account_down_but_its_own_browser_is_not_held_up() {
    on_both(|tx| {
        for n in 0..=40 {
            let who = guesser("ada@example.com", &format!("192.0.2.{n}"));
            let expected = Duration::millis(((n - 19).max(0) * 250).min(5_000));
            assert_eq!(begin(tx.conn(), limit(), &who, START)?, Decision::Try(expected), "{n}");
        }
        let own = Guesser { known_browser: Some("mark".into()), ..guesser("ada@example.com", "192.0.2.0") };
        assert_eq!(begin(tx.conn(), limit(), &own, START)?, Decision::Try(Duration::ZERO));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_limit_that_is_off_counts_nothing() {
    on_both(|tx| {
        let who = guesser("ada@example.com", "192.0.2.1");
        for _ in 0..30 {
            assert_eq!(begin(tx.conn(), Limit::Off, &who, START)?, Decision::Try(Duration::ZERO));
            assert_eq!(spend(tx.conn(), Limit::Off, "sign-up", who.address, START)?, Ok(()));
        }
        Ok(())
    })
    .await;
}
