-- A tenant's own definitions, version by version, over those of the packs; backtests that were asked for; proofs.

-- A version is written once: only its state, who moved it and what was predicted of it change afterwards.
CREATE TABLE definition (
    tenant      text NOT NULL REFERENCES tenant,
    room        text NOT NULL CHECK (room IN ('rules', 'features', 'lists', 'policies')),
    id          text NOT NULL,
    version     integer NOT NULL CHECK (version > 0),
    body        text NOT NULL,                 -- TOML, as a file of the room would hold it
    state       text NOT NULL CHECK (state IN ('draft', 'proposed', 'live', 'retired')),
    author      text NOT NULL,
    why         text NOT NULL,
    created_at  timestamptz NOT NULL,
    proposed_by text,
    proposed_at timestamptz,
    predicted   jsonb,                         -- what it would have hit, as seen when it was proposed
    approved_by text,                          -- who put it to work, and when first; never its author
    approved_at timestamptz,
    PRIMARY KEY (tenant, room, id, version)
);
CREATE UNIQUE INDEX definition_live ON definition (tenant, room, id) WHERE state = 'live';
CREATE INDEX definition_waiting ON definition (tenant, proposed_at) WHERE state = 'proposed';

CREATE TABLE layer (                            -- counts the changes of what is live, so that processes notice cheaply
    tenant      text PRIMARY KEY REFERENCES tenant,
    generation  bigint NOT NULL,
    changed_at  timestamptz NOT NULL,
    refused     bigint NOT NULL DEFAULT 0      -- the latest generation that a process could not put to work
);

CREATE TABLE backtest_job (
    tenant      text NOT NULL REFERENCES tenant,
    job_id      text NOT NULL,
    asked_by    text NOT NULL,
    asked_at    timestamptz NOT NULL,
    room        text,                           -- the version that is tried over what is live; NULL: what is live alone
    id          text,
    version     integer,
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    engine      text NOT NULL,
    state       text NOT NULL CHECK (state IN ('due', 'running', 'done', 'failed', 'cancelled')),
    progress    double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    message     text NOT NULL DEFAULT '',
    started_at  timestamptz,
    seen_at     timestamptz,                    -- the last sign of life of what runs it
    ended_at    timestamptz,
    result      jsonb,                          -- reports/backtest.py: Report
    PRIMARY KEY (tenant, job_id)
);
CREATE INDEX backtest_recent ON backtest_job (tenant, asked_at DESC);
CREATE INDEX backtest_waiting ON backtest_job (asked_at) WHERE state IN ('due', 'running');

CREATE TABLE proof (
    tenant      text NOT NULL REFERENCES tenant,
    proof_id    text NOT NULL,
    ran_at      timestamptz NOT NULL,
    differences bigint NOT NULL,
    body        jsonb NOT NULL,                 -- reports/proof.py: Proof
    PRIMARY KEY (tenant, proof_id)
);
CREATE INDEX proof_recent ON proof (tenant, ran_at DESC);
