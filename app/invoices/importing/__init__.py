"""Ledger files of other software (Excel, CSV) taken into the ledger.

`files` reads rows from a file, `columns` recognises its header, `cells` and `rows` make invoices of them,
`staging` finds what stands twice, `service` writes. A file that is refused leaves nothing behind.
"""
