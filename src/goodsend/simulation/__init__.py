"""A simulated sending platform: honest senders and abusers, as events in order of arrival, with the truth told apart."""
