"""Login, roles, sessions, step-up and API keys."""
