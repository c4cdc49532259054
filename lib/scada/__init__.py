"""A read-only Modbus TCP server for a plant's SCADA: serves what was read, knows no bus. See DESIGN.md."""
