"""清卡记录: what was done to devices, its certificate and its exports."""
