"""The system about itself: status, probes, help, idempotency, the audit trail's pages."""
