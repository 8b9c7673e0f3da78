"""Store: PostgreSQL. Plain functions that take a connection and a tenant and return domain types."""
