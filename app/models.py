"""Imports every table, so that Alembic and the relations between them see all of them."""

from importlib import import_module

FEATURES = (
    "audit",
    "accounts",
    "enterprises",
    "operators",
    "devices",
    "invoices",
    "calendar",
    "backups",
    "notifications",
    "clearing",
    "inspections",
    "system",
)

for _feature in FEATURES:
    import_module(f"app.{_feature}.models")
import_module("app.clearing.reconciliation.models")
