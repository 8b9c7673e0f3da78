-- The first house. Times are timestamptz (microseconds, so the engine's integers pass through unchanged).
-- Tables that grow with traffic are partitioned by the day of the event; store/partitions.py makes the days. Their keys
-- lead with the arrival, so that the log is read in its order without sorting; a day always comes along and prunes.
-- Every event has a decision with the same key, so pages of events are searched in `decision`, which has the indexes.
-- Every table carries its tenant first, and every query names it.

CREATE TABLE tenant (
    tenant      text PRIMARY KEY CHECK (tenant ~ '^[a-z][a-z0-9_-]{0,62}$'),
    name        text NOT NULL,
    created_at  timestamptz NOT NULL,
    settings    jsonb NOT NULL DEFAULT '{}'
);

-- People who work in the console. (A sender is an account, never a user.)
CREATE TABLE member (
    member_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL REFERENCES tenant,
    login       text NOT NULL,
    name        text NOT NULL,
    role        text NOT NULL CHECK (role IN ('admin', 'lead', 'analyst', 'viewer')),
    password    text NOT NULL,                 -- Argon2id, encoded
    active      boolean NOT NULL DEFAULT true,
    failures    integer NOT NULL DEFAULT 0,    -- wrong passwords in a row
    locked_until timestamptz,
    created_at  timestamptz NOT NULL,
    last_seen_at timestamptz
);
CREATE UNIQUE INDEX member_login ON member (lower(login));

CREATE TABLE session (
    session     bytea PRIMARY KEY,             -- SHA-256 of the cookie's secret
    member_id   bigint NOT NULL REFERENCES member ON DELETE CASCADE,
    csrf        text NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE api_key (
    key_id      text PRIMARY KEY,              -- the public half, shown in lists
    tenant      text NOT NULL REFERENCES tenant,
    secret      bytea NOT NULL,                -- SHA-256 of the secret half
    name        text NOT NULL,
    scopes      text[] NOT NULL,
    created_at  timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at  timestamptz
);

-- Idempotency across partitions, and the place of each event in the log. `arrival` counts from 1 per tenant, no gaps.
CREATE TABLE event_key (
    tenant      text NOT NULL,
    event_id    text NOT NULL,
    day         date NOT NULL,
    arrival     bigint NOT NULL,
    body_hash   bytea NOT NULL,                -- 16 bytes: tells a repeat from an id used for something else
    PRIMARY KEY (tenant, event_id)
);
CREATE UNIQUE INDEX event_key_arrival ON event_key (tenant, arrival);

CREATE TABLE event (
    tenant      text NOT NULL,
    day         date NOT NULL,
    arrival     bigint NOT NULL,
    event_id    text NOT NULL,
    kind        text NOT NULL,
    channel     text,
    account     text,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    data        jsonb NOT NULL,
    content     text,
    PRIMARY KEY (tenant, arrival, day)
) PARTITION BY RANGE (day);
CREATE INDEX event_account ON event (tenant, account, at DESC);

CREATE TABLE fact (
    tenant      text NOT NULL,
    day         date NOT NULL,
    arrival     bigint NOT NULL,
    event_id    text NOT NULL,
    facts       jsonb NOT NULL,
    PRIMARY KEY (tenant, arrival, day)
) PARTITION BY RANGE (day);

CREATE TABLE decision (
    tenant      text NOT NULL,
    day         date NOT NULL,
    arrival     bigint NOT NULL,
    decision_id text NOT NULL,
    event_id    text NOT NULL,
    kind        text NOT NULL,
    account     text,
    at          timestamptz NOT NULL,
    decided_at  timestamptz NOT NULL,
    verdict     text NOT NULL,
    severity    smallint NOT NULL,
    points      double precision NOT NULL,
    rules       text[] NOT NULL,               -- ids of the hits that acted
    shadow      text[] NOT NULL,               -- ids of the hits that did not
    body        jsonb NOT NULL,                -- the Decision, whole
    PRIMARY KEY (tenant, arrival, day)
) PARTITION BY RANGE (day);
CREATE INDEX decision_id ON decision (tenant, decision_id);
CREATE INDEX decision_at ON decision (tenant, at DESC, arrival DESC);
CREATE INDEX decision_account ON decision (tenant, account, at DESC, arrival DESC);
CREATE INDEX decision_verdict ON decision (tenant, verdict, at DESC, arrival DESC) WHERE verdict <> 'allow';
CREATE INDEX decision_kind ON decision (tenant, kind, at DESC, arrival DESC);
CREATE INDEX decision_rules ON decision USING gin (rules) WHERE rules <> '{}';

CREATE TABLE content (
    tenant      text NOT NULL,
    digest      text NOT NULL,
    media_type  text NOT NULL,
    size_bytes  integer NOT NULL,
    body        bytea NOT NULL,
    first_seen_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, digest)
);
DO $$ BEGIN
    ALTER TABLE content ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;                                      -- the embedded server is built without lz4 and keeps its default, pglz
END $$;

CREATE TABLE scan (                             -- the last scan of a content: signals with places and evidence
    tenant      text NOT NULL,
    digest      text NOT NULL,
    pack        text NOT NULL,
    scanned_at  timestamptz NOT NULL,
    body        jsonb NOT NULL,
    PRIMARY KEY (tenant, digest)
);

CREATE TABLE rejection (
    rejection_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL,
    source      text NOT NULL,                 -- api, ingest:<file>, intake:<name>
    code        text NOT NULL,
    place       text NOT NULL,
    reason      text NOT NULL,
    hint        text,
    item_id     text,
    raw         bytea NOT NULL,                -- cut to a limit
    raw_bytes   bigint NOT NULL,               -- the whole size
    received_at timestamptz NOT NULL
);
CREATE INDEX rejection_recent ON rejection (tenant, received_at DESC);

-- What the console shows of an account: a projection of its events, rebuilt from them, never read by the engine
-- except for the standing.
CREATE TABLE account (
    tenant      text NOT NULL,
    account     text NOT NULL,
    standing    text NOT NULL,
    standing_since timestamptz NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    events      bigint NOT NULL DEFAULT 0,
    worst       text NOT NULL DEFAULT 'allow', -- gravest verdict so far
    profile     jsonb NOT NULL DEFAULT '{}',   -- last known plan, country, email, domain …
    PRIMARY KEY (tenant, account)
);
CREATE INDEX account_recent ON account (tenant, last_at DESC);
CREATE INDEX account_standing ON account (tenant, standing, last_at DESC);

CREATE TABLE standing_move (
    tenant      text NOT NULL,
    account     text NOT NULL,
    at          timestamptz NOT NULL,
    before      text NOT NULL,
    after       text NOT NULL,
    reason      text NOT NULL,
    because     text NOT NULL,                 -- decision id, or member:<login>
    move_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY
);
CREATE INDEX standing_move_account ON standing_move (tenant, account, at DESC);

-- Which entities were seen with which account: the raw material of related accounts.
CREATE TABLE entity_link (
    tenant      text NOT NULL,
    entity_type text NOT NULL,
    entity      text NOT NULL,
    account     text NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    events      bigint NOT NULL,
    PRIMARY KEY (tenant, entity_type, entity, account)
);
CREATE INDEX entity_link_account ON entity_link (tenant, account);

-- `case` is a word of SQL, so the table is `casework`.
CREATE TABLE casework (
    tenant      text NOT NULL,
    case_id     text NOT NULL,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    subject_type text NOT NULL,
    subject     text NOT NULL,
    policy      text NOT NULL,
    severity    smallint NOT NULL,
    queue       text NOT NULL,
    title       text NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'assigned', 'waiting', 'decided', 'closed')),
    assignee    bigint REFERENCES member,
    outcome     text,                          -- confirmed, unfounded, unclear; set when decided
    opened_at   timestamptz NOT NULL,          -- event time
    updated_at  timestamptz NOT NULL,
    closed_at   timestamptz,
    events      integer NOT NULL DEFAULT 1,
    version     integer NOT NULL DEFAULT 1,    -- two people at once: the second one's change is refused
    PRIMARY KEY (tenant, case_id)
);
CREATE INDEX casework_open ON casework (tenant, severity DESC, opened_at) WHERE state NOT IN ('decided', 'closed');
CREATE INDEX casework_subject ON casework (tenant, subject_type, subject);
CREATE INDEX casework_state ON casework (tenant, state, updated_at DESC);

CREATE TABLE case_step (                        -- the timeline: evidence that joined, notes, assignments, decisions
    step_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL,
    case_id     text NOT NULL,
    at          timestamptz NOT NULL,
    verb        text NOT NULL,                 -- opened, joined, assigned, released, noted, decided, closed, reopened, notice_drafted, action_asked
    actor       text NOT NULL,                 -- goodsend, or a member's login
    event_id    text,
    decision_id text,
    body        jsonb NOT NULL DEFAULT '{}',
    FOREIGN KEY (tenant, case_id) REFERENCES casework ON DELETE CASCADE
);
CREATE INDEX case_step_case ON case_step (tenant, case_id, step_id);

CREATE TABLE notice (
    tenant      text NOT NULL,
    notice_id   text NOT NULL,
    account     text NOT NULL,
    template    text NOT NULL,
    language    text NOT NULL,
    subject     text NOT NULL,
    body        text NOT NULL,
    policy      text NOT NULL,
    decision_id text NOT NULL,
    at          timestamptz NOT NULL,
    state       text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'approved', 'sent', 'dropped')),
    PRIMARY KEY (tenant, notice_id)
);
CREATE INDEX notice_account ON notice (tenant, account, at DESC);
CREATE INDEX notice_decision ON notice (tenant, decision_id);

-- Effects asked of the platform; written in the transaction that decided them, drained by the worker.
CREATE TABLE outbox (
    tenant      text NOT NULL,
    outbox_id   text NOT NULL,                 -- the action's id: the receiver's idempotency key
    connector   text NOT NULL,                 -- printed, webhook
    action      text NOT NULL,
    target_type text NOT NULL,
    target      text NOT NULL,
    payload     jsonb NOT NULL,
    state       text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'done', 'dead')),
    attempts    integer NOT NULL DEFAULT 0,    -- all of them; numbers the rows of outbox_attempt
    tries       integer NOT NULL DEFAULT 0,    -- since it was asked for or sent again: the schedule starts over then
    due_at      timestamptz NOT NULL,
    created_at  timestamptz NOT NULL,
    done_at     timestamptz,
    last_error  text,
    PRIMARY KEY (tenant, outbox_id)
);
CREATE INDEX outbox_due ON outbox (due_at) WHERE state = 'due';
CREATE INDEX outbox_recent ON outbox (tenant, created_at DESC);

CREATE TABLE outbox_attempt (
    tenant      text NOT NULL,
    outbox_id   text NOT NULL,
    attempt     integer NOT NULL,
    at          timestamptz NOT NULL,
    status      integer,                       -- HTTP status, NULL when none came
    error       text,
    answer      text,                          -- first 1,000 characters
    PRIMARY KEY (tenant, outbox_id, attempt)
);

CREATE TABLE destination (                      -- where a tenant's actions go
    tenant      text PRIMARY KEY REFERENCES tenant,
    connector   text NOT NULL CHECK (connector IN ('printed', 'webhook')),
    url         text,
    secret      text,                          -- signing secret of the webhook
    updated_at  timestamptz NOT NULL
);

CREATE TABLE list_entry (                       -- a tenant's own additions to the pack's lists
    tenant      text NOT NULL,
    list        text NOT NULL,
    value       text NOT NULL,
    added_by    text NOT NULL,
    why         text NOT NULL,
    added_at    timestamptz NOT NULL,
    expires_at  timestamptz,
    removed_at  timestamptz,
    PRIMARY KEY (tenant, list, value)
);

CREATE TABLE label (
    label_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL,
    subject_type text NOT NULL,
    subject     text NOT NULL,
    label       text NOT NULL,
    certainty   text NOT NULL DEFAULT 'confirmed',
    by          text NOT NULL,
    case_id     text,
    at          timestamptz NOT NULL
);
CREATE INDEX label_subject ON label (tenant, subject_type, subject);

-- Append-only and hash-chained per tenant: hash = SHA-256(previous hash, canonical JSON of the row).
CREATE TABLE audit (
    tenant      text NOT NULL,
    seq         bigint NOT NULL,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    act         text NOT NULL,                 -- case.decided, list.added, member.signed_in, content.viewed …
    target      text NOT NULL,
    detail      jsonb NOT NULL,
    hash        bytea NOT NULL,
    PRIMARY KEY (tenant, seq)
);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$;
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_keep BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
