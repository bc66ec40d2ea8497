"""The Celery app. A message carries ids and means "look at these rows now"; the rows are the truth.

Every setting here is on purpose: `docs/decisions/0001-postgresql-is-the-truth.md` says why.
"""

from __future__ import annotations

from typing import Any

from celery import Celery
from kombu import Queue

from ops_core.settings import Settings, get_settings

QUEUE = "venue-images"


def _transport_options(settings: Settings, broker: str) -> dict[str, Any]:
    if broker.startswith(("amqp", "pyamqp")):
        return {"confirm_publish": True}
    return {
        # hands unacknowledged messages out again; must be longer than any task
        "visibility_timeout": settings.visibility_timeout,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 5,
        "socket_timeout": 30,
        "health_check_interval": 10,
    }


def _queue(broker: str) -> Queue:
    if broker.startswith(("amqp", "pyamqp")):
        return Queue(QUEUE, queue_arguments={"x-queue-type": "quorum"})
    return Queue(QUEUE)


def make_app(settings: Settings) -> Celery:
    """The app for the configured broker."""
    broker = settings.require_broker_url()
    tasks = ("enrichment", "retries", "geocoding", "uses")
    app = Celery("venue-ops", broker=broker, include=[f"ops_core.tasks.{name}" for name in tasks])
    app.conf.update(
        task_default_queue=QUEUE,
        task_queues=[_queue(broker)],
        task_ignore_result=True,  # the row says how it went
        task_acks_late=True,  # acknowledged after the work: a message outlives its worker
        task_acks_on_failure=True,  # a broken job's row says when to try again; the message need not
        task_reject_on_worker_lost=False,  # has no cap; the lease brings the work back
        task_serializer="json",
        accept_content=["json"],
        task_time_limit=settings.visibility_timeout * 0.8,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=not broker.startswith(("amqp", "pyamqp")),
        worker_concurrency=settings.worker_processes,
        worker_max_tasks_per_child=500,  # a slow leak in a decoder ends with its process
        worker_hijack_root_logger=True,
        worker_send_task_events=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # a click must not hang on a broker that is away: the dispatcher sends later
        task_publish_retry_policy={
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.2,
        },
        broker_transport_options=_transport_options(settings, broker),
    )
    return app


app = make_app(get_settings())
