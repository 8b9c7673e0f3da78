-- Words that rules put on entities, what breakers count, what rules did hour by hour, and the alarms that follow.

-- A rule's label on an entity, in force at event times in [since, until). Spans of one label that meet are one row. Not to
-- be mixed with `label`, which holds what people said of cases.
CREATE TABLE entity_label (
    tenant      text NOT NULL,
    entity_type text NOT NULL,
    entity      text NOT NULL,
    label       text NOT NULL,
    since       timestamptz NOT NULL,
    until       timestamptz NOT NULL,
    because     text[] NOT NULL,               -- the rules that set it, at the latest decision that did
    decision_id text NOT NULL,
    PRIMARY KEY (tenant, entity_type, entity, label, since)
);
CREATE INDEX entity_label_end ON entity_label (until);

-- Which action ids counted in which hour of event time: only actions with a limit, so at most limit × 24 rows a day.
CREATE TABLE action_asked (
    tenant      text NOT NULL,
    day         date NOT NULL,                 -- of the event
    action_id   text NOT NULL,
    action      text NOT NULL,
    hour        timestamptz NOT NULL,
    PRIMARY KEY (tenant, day, action_id)
);

CREATE TABLE action_held (                      -- what a breaker held back, by action and hour of event time
    tenant      text NOT NULL,
    hour        timestamptz NOT NULL,
    action      text NOT NULL,
    per_hour    integer NOT NULL,
    decisions   bigint NOT NULL,               -- decisions that would have asked for it
    first_decision_id text NOT NULL,
    first_at    timestamptz NOT NULL,          -- by the clock
    last_at     timestamptz NOT NULL,
    PRIMARY KEY (tenant, hour, action)
);

CREATE TABLE rule_hour (                        -- tallied once an hour is over; what came later is not in it
    tenant      text NOT NULL,
    rule        text NOT NULL,
    hour        timestamptz NOT NULL,
    version     text NOT NULL,
    hits        bigint NOT NULL,
    accounts    bigint NOT NULL,               -- distinct accounts it fired on, acting or not
    seen        bigint NOT NULL,               -- distinct accounts with events it looks at
    PRIMARY KEY (tenant, rule, hour)
);
CREATE INDEX rule_hour_recent ON rule_hour (tenant, hour DESC);

CREATE TABLE alarm (
    tenant      text NOT NULL,
    alarm_id    text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('breaker', 'rule_rose', 'rule_fell', 'rule_silent')),
    subject     text NOT NULL,                 -- an action for a breaker, else a rule
    at          timestamptz NOT NULL,          -- the hour it is about
    raised_at   timestamptz NOT NULL,
    reason      text NOT NULL,
    body        jsonb NOT NULL,
    seen_by     text,
    seen_at     timestamptz,
    PRIMARY KEY (tenant, alarm_id)
);
CREATE INDEX alarm_recent ON alarm (tenant, raised_at DESC);
