"""Celery and what guards it: the app, the worker, and the messages that may reach it."""
