//! Clients, and everything that they are given.

diesel::table! {
    clients (id) {
        id -> Text,
        owner_id -> Text,
        kind -> Text,
        name -> Text,
        auth_method -> Text,
        redirect_uris -> Text,
        post_logout_redirect_uris -> Text,
        grant_types -> Text,
        scopes -> Text,
        token_format -> Text,
        audience -> Nullable<Text>,
        jwks -> Nullable<Text>,
        origin -> Text,
        website -> Nullable<Text>,
        created_at -> BigInt,
        suspended_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        version -> BigInt,
        id_token_algorithm -> Text,
        dpop_bound -> Bool,
        backchannel_logout_uri -> Nullable<Text>,
        registration_digest -> Nullable<Binary>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    client_secrets (id) {
        id -> Text,
        client_id -> Text,
        digest -> Binary,
        last4 -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    grants (id) {
        id -> Text,
        owner_id -> Text,
        client_id -> Text,
        scopes -> Text,
        offline -> Bool,
        session_id -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_address -> Nullable<Text>,
    }
}

diesel::table! {
    families (id) {
        id -> Text,
        owner_id -> Text,
        client_id -> Text,
        grant_id -> Nullable<Text>,
        kind -> Text,
        name -> Text,
        audience -> Text,
        scopes -> Text,
        environment -> Text,
        token_format -> Text,
        access_lifetime -> BigInt,
        has_refresh -> Bool,
        ancestors -> Text,
        root -> Text,
        created_at -> BigInt,
        last_refreshed_at -> Nullable<BigInt>,
        idle_expires_at -> BigInt,
        expires_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        ended_reason -> Nullable<Text>,
        session_id -> Nullable<Text>,
        address -> Nullable<Text>,
        auth_time -> Nullable<BigInt>,
        sid -> Nullable<Text>,
        amr -> Text,
        jkt -> Nullable<Text>,
        last_used_at -> Nullable<BigInt>,
        last_used_address -> Nullable<Text>,
    }
}

diesel::table! {
    authorization_codes (digest) {
        digest -> Binary,
        client_id -> Text,
        owner_id -> Text,
        grant_id -> Text,
        session_id -> Nullable<Text>,
        redirect_uri -> Text,
        scopes -> Text,
        audience -> Text,
        code_challenge -> Text,
        nonce -> Nullable<Text>,
        auth_time -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        failures -> BigInt,
        consumed_at -> Nullable<BigInt>,
        family_id -> Nullable<Text>,
        sid -> Nullable<Text>,
        amr -> Text,
        jkt -> Nullable<Text>,
    }
}

diesel::table! {
    refresh_tokens (digest) {
        digest -> Binary,
        family_id -> Text,
        sequence -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
        successor -> Nullable<Binary>,
        sealed_answer -> Nullable<Binary>,
    }
}

diesel::table! {
    access_tokens (id) {
        id -> Text,
        digest -> Binary,
        owner_id -> Text,
        subject -> Text,
        client_id -> Text,
        family_id -> Nullable<Text>,
        grant_id -> Nullable<Text>,
        audience -> Text,
        scopes -> Text,
        environment -> Text,
        root -> Text,
        ancestors -> Text,
        rate -> Nullable<Text>,
        addresses -> Text,
        position -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        jkt -> Nullable<Text>,
    }
}

diesel::table! {
    pushed_requests (digest) {
        digest -> Binary,
        client_id -> Text,
        params -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    device_codes (digest) {
        digest -> Binary,
        user_code -> Binary,
        client_id -> Text,
        scopes -> Text,
        audience -> Text,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        jkt -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
        poll_interval -> BigInt,
        last_polled_at -> Nullable<BigInt>,
        owner_id -> Nullable<Text>,
        grant_id -> Nullable<Text>,
        auth_time -> Nullable<BigInt>,
        amr -> Text,
        approved_at -> Nullable<BigInt>,
        denied_at -> Nullable<BigInt>,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    spent_proofs (digest) {
        digest -> Binary,
        expires_at -> BigInt,
    }
}

diesel::table! {
    registration_tokens (id) {
        id -> Text,
        digest -> Binary,
        owner_id -> Text,
        note -> Text,
        uses_left -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    logout_notices (id) {
        id -> Text,
        client_id -> Text,
        subject -> Text,
        sid -> Text,
        created_at -> BigInt,
        attempts -> BigInt,
        next_attempt_at -> BigInt,
        sent_at -> Nullable<BigInt>,
        failed_at -> Nullable<BigInt>,
    }
}
