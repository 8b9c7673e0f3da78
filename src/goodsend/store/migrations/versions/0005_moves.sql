-- When a version of a definition came to its state is in the audit; its rows there are the few that name a version.
CREATE INDEX audit_versions ON audit (tenant, target, seq) WHERE detail ? 'version';
