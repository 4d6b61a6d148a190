"""Tells people and other systems what happened: outbox, inboxes, e-mail, group robots, webhooks, reminders."""
