"""Shows, exports and certifies what was done to devices (清卡记录, 清卡凭证)."""
