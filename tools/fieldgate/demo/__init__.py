"""The demonstration: plant, broker, firmware and monitor together, an outage on purpose, and a judged result."""
