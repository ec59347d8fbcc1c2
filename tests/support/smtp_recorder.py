"""A proxy in front of a relay's port for submission with TLS, which records the clients'
messages."""

import asyncio
import ssl

from support.loop_server import LoopServer
from support.relay import trusting


class SmtpRecorder(LoopServer):
    """Listens on `port`. `messages` are the submitted messages, including dot-stuffing."""

    def __init__(self, certificate, key, target):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        super().__init__(ssl=context)
        self.target = target
        self.sessions = []

    @property
    def messages(self):
        found = []
        for session in self.sessions:
            for part in bytes(session).split(b"\r\nDATA\r\n")[1:]:
                message, end, _ = part.partition(b"\r\n.\r\n")
                found += [message + b"\r\n"] if end else []
        return found

    def __enter__(self):
        return self.start()

    def __exit__(self, *exception):
        self.stop()

    async def serve(self, reader, writer):
        session = bytearray()
        self.sessions.append(session)
        far = await asyncio.open_connection("127.0.0.1", self.target, ssl=trusting())
        await asyncio.gather(copy(reader, far[1], session), copy(far[0], writer, bytearray()),
                             return_exceptions=True)  # fmt: skip


async def copy(reader, writer, kept):
    while data := await reader.read(65536):
        kept += data
        writer.write(data)
        await writer.drain()
    writer.close()
