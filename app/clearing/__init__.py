"""What all about 清卡 share: states, tables, words, and the selects over requests and records. Knows nothing above."""
