//! Signing keys: the ring that signs, and how its keys come and go.

mod ring;
mod rotation;
#[cfg(test)]
mod tests;

pub use ring::{KeyRing, RingError};
pub use rotation::{
    KeyAction, PUBLISHED_AHEAD, ROTATION_PERIOD, RotationError, ensure, import, jwks, published, revoke,
    rotate, tick,
};
