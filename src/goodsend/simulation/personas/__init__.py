"""The senders of the simulated world, one file per family: each persona is a function from sender and span to steps."""
