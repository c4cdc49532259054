"""Durable ring log on raw NOR flash. FORMAT.md specifies every byte; `log.FlashLog` is the way in."""
