"""Where people start from: the overview, 清卡管理, and the page of one operator with the form that starts a clearing."""
