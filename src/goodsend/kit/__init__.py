"""Ground floor: time arithmetic, derived ids, errors, text. No domain word may enter here."""
