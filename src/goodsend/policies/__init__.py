"""Policies: the clauses of what is not allowed, versioned, with the words customers read."""
