//! Accounts elsewhere, and whom they are asked of.

diesel::table! {
    connections (id) {
        id -> Text,
        owner_id -> Text,
        provider -> Text,
        issuer -> Text,
        subject -> Text,
        account -> Text,
        demo -> Bool,
        scopes -> Text,
        connected_at -> BigInt,
        last_sign_in_at -> Nullable<BigInt>,
        tokens -> Nullable<Binary>,
        tokens_expire_at -> Nullable<BigInt>,
        refreshable -> Bool,
        refreshed_at -> Nullable<BigInt>,
        refreshing_until -> Nullable<BigInt>,
        broken_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    provider_flows (state) {
        state -> Binary,
        session_id -> Text,
        provider -> Text,
        purpose -> Text,
        owner_id -> Nullable<Text>,
        secrets -> Binary,
        return_to -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        consumed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    providers (id) {
        id -> Text,
        definition -> Text,
        secret -> Nullable<Binary>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}
