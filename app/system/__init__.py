"""Tells about the installation and looks after it: status, probes, help, kept answers, maintenance, the audit trail's pages."""
