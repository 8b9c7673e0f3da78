"""The senders of the simulated world, one file per family. Each persona is a function from a sender and a span to steps."""
