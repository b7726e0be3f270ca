"""HTTP/1.1 on a listening socket."""

from credward.servers.messages import Handler, HttpRequest, HttpResponse

__all__ = ["Handler", "HttpRequest", "HttpResponse"]
