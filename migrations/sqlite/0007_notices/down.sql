DROP TABLE expiry_notices;
DROP TABLE muted_mails;
