"""Callboard: actors that talk and pipelines that run, with one durable log under both."""
