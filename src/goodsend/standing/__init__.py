"""Standing: where a sender is in its life, and what moves it on."""
