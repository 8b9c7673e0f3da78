"""Outreach: what we tell people. Notices drafted from templates, in plain, polite words."""
