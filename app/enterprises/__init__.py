"""企业: the taxpayers."""
