"""Recipes: what a step of a migration takes, asks of the doors, and returns as one document."""
