"""The application of the box: from configuration to running gateway."""
