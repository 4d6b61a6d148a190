"""The ways out: webhooks, e-mail, robots. Each sends one message once and says how it went."""
