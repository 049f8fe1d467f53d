//! What people are told by mail.

diesel::table! {
    muted_mails (owner_id, kind) {
        owner_id -> Text,
        kind -> Text,
    }
}

diesel::table! {
    expiry_notices (key_id, expires_at, days) {
        key_id -> Text,
        expires_at -> BigInt,
        days -> BigInt,
    }
}
