"""Benchmarks use the pipeline of the worker's tests, and say what they measured."""

from __future__ import annotations

from tests.integration.worker.conftest import broker, broker_process, sandbox, sandbox_process, system

__all__ = ["broker", "broker_process", "sandbox", "sandbox_process", "system"]
