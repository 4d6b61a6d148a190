"""Imports every table, so that Alembic and the relations between them see all of them."""

from app.features import import_tables

import_tables()
