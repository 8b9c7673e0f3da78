"""The engines that run SQL over the archive: DuckDB in this process, Apache Spark and Sail over Spark Connect."""
