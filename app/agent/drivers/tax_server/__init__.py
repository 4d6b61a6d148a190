"""税控服务器: many devices behind one HTTP address."""
