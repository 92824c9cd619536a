"""The HTTP door: what crosses it (`wire`), who knocks (`client`), and who answers (`api/`).

This file imports nothing, and `wire` and `client` know neither Starlette nor uvicorn: the command line starts
with them, and it should start at once.
"""
