-- insert_token
-- Stores a token by its hash.
INSERT INTO fcst_app.tokens (name, scope, hash, expires_at)
VALUES (%(name)s, %(scope)s, %(hash)s, now() + make_interval(days => %(days)s))
RETURNING token_id;

-- list_tokens
-- All tokens, newest first, without their hashes.
SELECT token_id, name, scope, created_at, expires_at, revoked_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at < now() THEN 'expired' ELSE 'valid' END AS state
FROM fcst_app.tokens ORDER BY token_id DESC;

-- find_token
-- The token with a hash, and whether it is valid.
SELECT token_id, name, scope, created_at, expires_at, revoked_at, last_used_at,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at < now() THEN 'expired' ELSE 'valid' END AS state,
       COALESCE(last_used_at < now() - interval '1 minute', true) AS is_use_to_be_noted
FROM fcst_app.tokens WHERE hash = %(hash)s;

-- note_token_use
-- Records the use of a token, at most once a minute.
UPDATE fcst_app.tokens SET last_used_at = now() WHERE token_id = %(token_id)s;

-- revoke_token
-- Revokes a token.
UPDATE fcst_app.tokens SET revoked_at = now() WHERE token_id = %(token_id)s AND revoked_at IS NULL RETURNING name;
