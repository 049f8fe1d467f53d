//! The tables as Diesel sees them; kept in step with `migrations/` by a test.

mod elsewhere;
mod notices;
mod oauth;

pub use elsewhere::*;
pub use notices::*;
pub use oauth::*;

diesel::table! {
    owners (id) {
        id -> Text,
        kind -> Text,
        name -> Text,
        suspended_at -> Nullable<BigInt>,
        rate -> Nullable<Text>,
        version -> BigInt,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    accounts (owner_id) {
        owner_id -> Text,
        email -> Text,
        email_verified_at -> Nullable<BigInt>,
        password_hash -> Nullable<Text>,
        password_changed_at -> Nullable<BigInt>,
        is_admin -> Bool,
        last_sign_in_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    sessions (digest) {
        digest -> Binary,
        id -> Text,
        owner_id -> Nullable<Text>,
        state -> Text,
        created_at -> BigInt,
        last_seen_at -> BigInt,
        expires_at -> BigInt,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    attempts (bucket) {
        bucket -> Text,
        failures -> BigInt,
        first_at -> BigInt,
        last_at -> BigInt,
        locked_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    mail_links (id) {
        id -> Text,
        digest -> Binary,
        purpose -> Text,
        owner_id -> Nullable<Text>,
        email -> Text,
        session_id -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        recipient -> Text,
        subject -> Text,
        body_text -> Text,
        body_html -> Text,
        created_at -> BigInt,
        attempts -> BigInt,
        next_attempt_at -> BigInt,
        sent_at -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    shown_secrets (id) {
        id -> Text,
        owner_id -> Text,
        session_id -> Text,
        target -> Text,
        sealed -> Nullable<Binary>,
        created_at -> BigInt,
        expires_at -> BigInt,
        shown_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        owner_id -> Text,
        creator_id -> Text,
        digest -> Binary,
        prefix -> Text,
        last4 -> Text,
        name -> Text,
        environment -> Text,
        audiences -> Text,
        scopes -> Text,
        note -> Text,
        addresses -> Text,
        rate -> Nullable<Text>,
        ancestors -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        revoked_reason -> Nullable<Text>,
        replaced_by -> Nullable<Text>,
        grace_ends_at -> Nullable<BigInt>,
        replaces -> Nullable<Text>,
        imported -> Bool,
        last_used_at -> Nullable<BigInt>,
        last_used_address -> Nullable<Text>,
        version -> BigInt,
        quota_day -> Nullable<BigInt>,
        quota_month -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_keys (id) {
        id -> Text,
        kid -> Text,
        algorithm -> Text,
        purpose -> Text,
        public_jwk -> Text,
        sealed -> Binary,
        state -> Text,
        created_at -> BigInt,
        published_at -> BigInt,
        current_from -> Nullable<BigInt>,
        retire_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    feed (position) {
        position -> BigInt,
        kind -> Text,
        id -> Text,
        effect -> Text,
        relevant_until -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    feed_head (id) {
        id -> BigInt,
        epoch -> Text,
        position -> BigInt,
        tail -> BigInt,
    }
}

diesel::table! {
    audit (id) {
        id -> Text,
        at -> BigInt,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        actor_label -> Text,
        owner_id -> Nullable<Text>,
        action -> Text,
        target_kind -> Text,
        target_id -> Text,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    request_records (id) {
        id -> Text,
        at -> BigInt,
        credential_id -> Nullable<Text>,
        owner_id -> Nullable<Text>,
        audience -> Text,
        method -> Text,
        route -> Text,
        status -> BigInt,
        check_failed -> Nullable<Text>,
        code -> Nullable<Text>,
        address -> Nullable<Text>,
        latency_us -> BigInt,
        user_agent -> Nullable<Text>,
        needed -> Nullable<Text>,
        missing -> Nullable<Text>,
        root -> Nullable<Text>,
    }
}

diesel::table! {
    usage_counts (credential_id, owner_id, audience, route, outcome, bucket) {
        credential_id -> Text,
        owner_id -> Text,
        audience -> Text,
        route -> Text,
        outcome -> Text,
        bucket -> BigInt,
        count -> BigInt,
        latency_sum_us -> BigInt,
    }
}

diesel::table! {
    usage_days (owner_id, day, credential_id, audience, route, outcome) {
        owner_id -> Text,
        day -> BigInt,
        credential_id -> Text,
        audience -> Text,
        route -> Text,
        outcome -> Text,
        count -> BigInt,
        latency_sum_us -> BigInt,
    }
}

diesel::table! {
    counted_calls (id, environment, day) {
        id -> Text,
        environment -> Text,
        day -> BigInt,
        calls -> BigInt,
    }
}

diesel::table! {
    record_batches (id) {
        id -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    settings (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::joinable!(accounts -> owners (owner_id));
diesel::joinable!(sessions -> owners (owner_id));
diesel::joinable!(api_keys -> owners (owner_id));
diesel::joinable!(clients -> owners (owner_id));
diesel::joinable!(grants -> owners (owner_id));
diesel::joinable!(grants -> clients (client_id));
diesel::joinable!(families -> owners (owner_id));
diesel::joinable!(families -> clients (client_id));
diesel::joinable!(families -> grants (grant_id));

diesel::allow_tables_to_appear_in_same_query!(
    owners,
    accounts,
    sessions,
    attempts,
    mail_links,
    outbox,
    muted_mails,
    expiry_notices,
    shown_secrets,
    api_keys,
    signing_keys,
    clients,
    client_secrets,
    grants,
    families,
    authorization_codes,
    refresh_tokens,
    access_tokens,
    pushed_requests,
    device_codes,
    spent_proofs,
    registration_tokens,
    logout_notices,
    connections,
    provider_flows,
    providers,
    feed,
    feed_head,
    audit,
    request_records,
    usage_counts,
    usage_days,
    record_batches,
    settings,
);
