"""Adapters of the store's port, one folder for each database."""
