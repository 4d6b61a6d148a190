"""Clears many operators with one confirmation (批量清卡): their requests are made, and tried again, in portions."""
