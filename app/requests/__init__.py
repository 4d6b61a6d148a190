"""清卡申请: submit, review, control and run a request to clear devices."""
