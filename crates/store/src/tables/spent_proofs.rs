//! What works once: the `jti` of client assertions (RFC 7523 §3) and of DPoP proofs (RFC 9449 §11.1).

use diesel::prelude::*;
use keyway_core::Timestamp;
use keyway_core::secret::SecretDigest;

use crate::conn::{Conn, on_either};
use crate::error::StoreError;
use crate::schema::spent_proofs;

/// What kind of proof: those of different kinds never stand in each other's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofKind {
    /// A client authenticates.
    Assertion,
    /// A request is bound to a key.
    Dpop,
}

/// A proof, verified already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof<'p> {
    /// What kind.
    pub kind: ProofKind,
    /// Who made it: the client, or the thumbprint of the key.
    pub maker: &'p str,
    /// Its `jti`.
    pub jti: &'p str,
    /// From when on it would not be accepted anyway.
    pub expires_at: Timestamp,
}

impl Proof<'_> {
    fn digest(&self) -> SecretDigest {
        let kind = match self.kind {
            ProofKind::Assertion => "assertion",
            ProofKind::Dpop => "dpop",
        };
        // With its length before it, no maker runs over into a jti.
        let (maker, jti) = (self.maker, self.jti);
        SecretDigest::of(format!("{kind} {} {maker} {jti}", maker.len()).as_bytes())
    }
}

/// Spends a proof; `false` if it was spent before. Its row count is the proof that it was not.
///
/// # Errors
/// When the database cannot answer.
pub fn spend(conn: &mut Conn, proof: &Proof<'_>) -> Result<bool, StoreError> {
    let row = (
        spent_proofs::digest.eq(proof.digest().as_bytes().to_vec()),
        spent_proofs::expires_at.eq(proof.expires_at.as_micros()),
    );
    let rows = on_either!(conn, |conn| {
        diesel::insert_into(spent_proofs::table).values(row).on_conflict_do_nothing().execute(conn)
    })?;
    Ok(rows == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conn::Role;
    use crate::testing::{Backend, START, TestDatabase};

    #[test]
    fn a_proof_works_once() {
        for backend in Backend::ALL {
            let database = TestDatabase::new(backend);
            let conn = &mut database.url().connect(Role::Writer).unwrap();
            let proof = Proof { kind: ProofKind::Dpop, maker: "a", jti: "1", expires_at: START };
            assert!(spend(conn, &proof).unwrap(), "{backend:?}");
            assert!(!spend(conn, &proof).unwrap(), "{backend:?}");
            for other in [
                Proof { kind: ProofKind::Assertion, ..proof.clone() },
                Proof { maker: "a 1", ..proof.clone() },
                Proof { jti: "2", ..proof },
            ] {
                assert!(spend(conn, &other).unwrap(), "{backend:?}: {other:?}");
            }
        }
    }
}
