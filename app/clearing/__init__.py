"""清卡: requests, review, pre-checks, the durable workflow, records."""
