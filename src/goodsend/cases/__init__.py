"""Cases: work for a human. One subject, its evidence, a queue, the allowed moves."""
