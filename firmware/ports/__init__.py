"""The hardware of each platform behind the seams of DESIGN.md; one folder per platform."""
