"""What the points of a machine are: types, byte orders, qualities of single values. See DESIGN.md."""
