"""The connections of the pages to the API. Made by `main` and `combined`, and used by the API's client."""

from typing import Any

import httpx
from opentelemetry import trace

from stanine.telemetry.pages_metrics import PagesMetrics
from stanine.telemetry.traces import calling, get_tracer, headers_of, set_status

_PORTS = {"http": 80, "https": 443}


class ApiConnection(httpx.AsyncClient):
    """Connections that count calls and continue the trace of the request for which the API is called.

    Every attempt of a call has a span of its own, which ends with the head of the response.
    """

    def __init__(
        self, metrics: PagesMetrics, provider: trace.TracerProvider, **options: Any
    ) -> None:
        """`options`: those of httpx."""
        super().__init__(**options)
        self._metrics, self._tracer = metrics, get_tracer(provider)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request. Raises what httpx raises."""
        url = request.url
        port = url.port or _PORTS.get(url.scheme, 0)
        with calling(self._tracer, request.method, url.host, port) as span:
            request.headers.update(headers_of(span))
            try:
                response = await super().send(request, **options)
            except httpx.RequestError:
                self._metrics.call(None)
                raise
            self._metrics.call(response.status_code)
            set_status(span, response.status_code)
            return response
