"""批量清卡: many requests with one confirmation, made and retried in portions."""
