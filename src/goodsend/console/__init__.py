"""The console: pages for the people who work cases. It asks the store and records intentions; it never acts outside."""
