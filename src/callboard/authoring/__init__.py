"""Authoring: what the people of a project write, bots and actions, and how it is loaded."""
