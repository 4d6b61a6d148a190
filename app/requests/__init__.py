"""清卡申请: submit, review, control and run a request to clear devices (product.md 3.3 to 3.5)."""
