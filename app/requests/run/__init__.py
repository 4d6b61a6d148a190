"""Durable execution of clearing requests: the four stages, run by a workflow engine."""
