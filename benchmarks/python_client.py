"""The smallest client in Python: what a helper would cost if it were a script.

`python -I -S python_client.py SOCKET`.
"""

import _socket
import os
import sys

connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect(sys.argv[1])
connection.send(
    b"GET /v1/credentials/-/token HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n\r\n"
)
answer = b""
while piece := connection.recv(65536):
    answer += piece
head, _, body = answer.partition(b"\r\n\r\n")
if not head.startswith(b"HTTP/1.1 200 "):
    sys.exit(1)
os.write(1, body)
