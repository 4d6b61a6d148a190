"""Holds what all packages about 清卡 share and knows none of them: states, tables, errors, words, selects over requests and records."""
