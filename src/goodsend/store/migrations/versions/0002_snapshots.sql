-- What the engine keeps for a quick start: its windows up to an arrival, in chunks. The log can always replace it.
CREATE TABLE window_snapshot (
    snapshot_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant      text NOT NULL,
    arrival     bigint NOT NULL,               -- the last event in it
    plan        text NOT NULL,                 -- digest of the features it answers
    entities    text NOT NULL,                 -- digest of which fields of an event are keys
    pack        text NOT NULL,                 -- version of the pack it was taken with
    chunks      integer NOT NULL,
    bytes       bigint NOT NULL,
    taken_at    timestamptz NOT NULL
);
CREATE INDEX window_snapshot_latest ON window_snapshot (tenant, arrival DESC);

CREATE TABLE window_snapshot_chunk (
    snapshot_id bigint NOT NULL REFERENCES window_snapshot ON DELETE CASCADE,
    number      integer NOT NULL,
    body        bytea NOT NULL,
    PRIMARY KEY (snapshot_id, number)
);
ALTER TABLE window_snapshot_chunk ALTER COLUMN body SET STORAGE EXTERNAL;
