"""Tells people and other systems what happened: an outbox, an inbox per account, e-mail, robots, webhooks."""
