"""Shows where people start from: the overview, 清卡管理, and an operator's page with the form that starts a clearing."""
