"""Celery tasks of a few lines that call `ops_core.work`."""
