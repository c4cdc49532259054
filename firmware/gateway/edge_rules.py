"""What ot.json may say of rules: keys, ranges, and what no single key shows. Loaded at the start and by `check`."""
