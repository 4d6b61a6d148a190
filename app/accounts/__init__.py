"""Decides who may do what: accounts, roles, sessions, API keys, and asking for the password again."""
