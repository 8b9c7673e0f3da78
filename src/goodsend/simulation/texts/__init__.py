"""What the senders of the simulated world write. All texts are our own."""
