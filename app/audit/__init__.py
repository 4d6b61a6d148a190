"""Keeps the append-only trail: one writer, the chain of hashes, signed checkpoints, and their verification, offline too."""
