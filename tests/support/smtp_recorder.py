"""A door in front of a relay's port for submission with TLS, which keeps what clients send there."""

import asyncio
import ssl
import threading

from support.relay import trusting


class SmtpRecorder:
    """Listens at `port`. `messages` are the messages as they were submitted, dots and all."""

    def __init__(self, certificate, key, target):
        self.certificate = certificate
        self.key = key
        self.target = target
        self.sessions = []
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    @property
    def messages(self):
        found = []
        for session in self.sessions:
            for part in bytes(session).split(b"\r\nDATA\r\n")[1:]:
                message, end, _ = part.partition(b"\r\n.\r\n")
                found += [message + b"\r\n"] if end else []
        return found

    def __enter__(self):
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *exception):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def run(self):
        asyncio.set_event_loop(self.loop)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        start = asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        self.port = self.loop.run_until_complete(start).sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.01))
        self.loop.close()

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
