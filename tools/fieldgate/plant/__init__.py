"""The virtual plant: Modbus RTU units on a simulated RS-485 line, with a record of what they served."""

from fieldgate.plant.faults import FAULTS, Faults
from fieldgate.plant.plant import Plant, PlantSettings, speed_for
from fieldgate.plant.record import Frame, Reply, read_replies

__all__ = ["FAULTS", "Faults", "Frame", "Plant", "PlantSettings", "Reply", "read_replies", "speed_for"]
