"""Layouts against each other: differences split over their parts, curves, exponents and crossovers."""
