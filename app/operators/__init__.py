"""Registers who issues invoices (操作员), keeps their clearing state, and finds them by name, pinyin, code or device."""
