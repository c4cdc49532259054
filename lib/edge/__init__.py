"""Rules at the edge: report by exception, derived points, aggregates, alarms, anomaly watch. See DESIGN.md."""
