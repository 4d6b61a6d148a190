"""Notifications to people and other systems."""
