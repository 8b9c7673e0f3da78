"""A simulated sending platform: honest senders and abusers, as events in order of arrival; the truth is told apart."""
