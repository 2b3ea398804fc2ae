"""The process that delivers alerts; of several, one leads and the others stand by."""

from __future__ import annotations

import threading

from eventstore.leading import lead
from eventstore.log import Log
from infra.alert_delivery.channels import load_channels
from infra.alert_delivery.delivering import AlertDelivery
from infra.build_name import build_name
from infra.clock import now
from infra.errors import OperatorError
from infra.probe_server import Readiness, probe_server
from infra.settings import Settings

OFFICE = "alert delivery"


def run(settings: Settings, stop: threading.Event) -> None:
    """Deliver, or stand by for the leader, until `stop` is set.

    Raises:
        OperatorError: no channels are given, or they are not understood.
    """
    if settings.alert_channels is None:
        raise OperatorError("No channels: set PMS_ALERT_CHANNELS to the file that names them.")
    channels = load_channels(settings.alert_channels)
    build = settings.build or build_name()
    with Log(settings.app_conninfo, clock=now, build=build, pool_size=2) as log:

        def act(ending: threading.Event) -> None:
            AlertDelivery(log, settings.app_conninfo, channels, clock=now).run(ending)

        def readiness() -> Readiness:
            return Readiness(is_ready=True, checks={"tenants": len(channels.tenants)})

        with probe_server(host=settings.host, port=settings.delivery_port, readiness=readiness):
            lead(settings.app_conninfo, OFFICE, act, stop)
