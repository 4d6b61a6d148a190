"""The HTML pages of clearing requests."""
