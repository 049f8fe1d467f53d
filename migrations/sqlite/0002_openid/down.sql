DROP TABLE logout_notices;
DROP TABLE registration_tokens;
DROP TABLE spent_proofs;
DROP TABLE device_codes;
DROP TABLE pushed_requests;

DELETE FROM signing_keys WHERE purpose = 'id_token';
DROP INDEX signing_keys_one_current;
CREATE UNIQUE INDEX signing_keys_one_current ON signing_keys (purpose) WHERE state = 'current';

ALTER TABLE access_tokens DROP COLUMN jkt;

DROP INDEX families_by_sid;
ALTER TABLE families DROP COLUMN jkt;
ALTER TABLE families DROP COLUMN amr;
ALTER TABLE families DROP COLUMN sid;
ALTER TABLE families DROP COLUMN auth_time;

ALTER TABLE authorization_codes DROP COLUMN jkt;
ALTER TABLE authorization_codes DROP COLUMN amr;
ALTER TABLE authorization_codes DROP COLUMN sid;

DROP INDEX clients_by_origin;
ALTER TABLE clients DROP COLUMN last_used_at;
ALTER TABLE clients DROP COLUMN registration_digest;
ALTER TABLE clients DROP COLUMN backchannel_logout_uri;
ALTER TABLE clients DROP COLUMN dpop_bound;
ALTER TABLE clients DROP COLUMN id_token_algorithm;
