"""Qingka (清卡管理): clear tax-control devices safely, and prove it."""

__version__ = "0.1.0"
