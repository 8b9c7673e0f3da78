"""The archive of events, facts and decisions as Parquet by day, and the SQL engines that read it."""
