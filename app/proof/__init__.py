"""What can be shown to be unaltered: chain, rows, triggers and checkpoints compared with each other."""
