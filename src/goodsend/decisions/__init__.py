"""Decisions: hits and scores become one verdict, actions and reasons."""
