"""The overview, 清卡管理 (the list of operators), and the page of one operator."""
