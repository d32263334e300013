-- Sign-ins of people that have ended before their time: one of them, by the hash of its cookie, when its person signed
-- out; or all that a person had by then. Rows are of no use once every sign-in of their time has expired.
CREATE TABLE fcst_app.sign_outs (
    sign_out_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    sign_in     bytea,
    person      text,
    CHECK (num_nonnulls(sign_in, person) = 1)
);
CREATE INDEX sign_outs_sign_in ON fcst_app.sign_outs (sign_in) WHERE sign_in IS NOT NULL;
CREATE INDEX sign_outs_person ON fcst_app.sign_outs (person) WHERE person IS NOT NULL;
