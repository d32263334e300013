-- Sign-ins that were ended early: one sign-in, by the hash of its cookie, when its person signed out; or all sign-ins
-- of a person up to that time. Rows can be deleted when all sign-ins of their time have expired.
CREATE TABLE fcst_app.sign_outs (
    sign_out_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    sign_in     bytea,
    person      text,
    CHECK (num_nonnulls(sign_in, person) = 1)
);
CREATE INDEX sign_outs_sign_in ON fcst_app.sign_outs (sign_in) WHERE sign_in IS NOT NULL;
CREATE INDEX sign_outs_person ON fcst_app.sign_outs (person) WHERE person IS NOT NULL;
