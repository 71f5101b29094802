"""Builds the door: gRPC for devices, the page for a browser."""

from contextlib import AsyncExitStack

from parlance.ground import Ground
from parlance.history import History
from parlance.process import Running
from parlance.rpc import Carrier
from services.gateway.parts import Parts
from services.gateway.service import GatewayService
from services.gateway.web import Web


def start(ground: Ground, carrier: Carrier) -> tuple[GatewayService, Web]:
    config = ground.config
    parts = Parts(
        bus=ground.bus,
        sealing=ground.sealing,
        carrier=carrier,
        routes=ground.routes,
        history=History(ground.bus, ground.sealing),
        user_id=config.user_id,
        time_zone=config.time_zone,
        slot=config.gateway_slot,
    )
    gateway = GatewayService(parts)
    return gateway, Web(gateway, config.http_port, config.http_host)


async def alone(ground: Ground, carrier: Carrier, stack: AsyncExitStack) -> Running:
    gateway, web = start(ground, carrier)
    return Running(services={"Gateway": gateway}, tasks=[gateway.run, web.run], drain=[gateway.drain])
